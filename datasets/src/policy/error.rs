//! What can be wrong with a policy.

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// There is no built-in policy of that name.
    #[error("no policy {name:?}; there are safe-harbor, limited-dataset and date-shift")]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// It is not TOML, or has fields that no policy has.
    #[error("the policy is malformed")]
    Syntax(#[from] toml::de::Error),
    /// One of its rules makes no sense.
    #[error("policy: {rule}")]
    Rule {
        /// What must hold.
        rule: &'static str,
    },
    /// What it says of a column makes no sense.
    #[error("policy, {table}.{column}: {rule}")]
    Column {
        /// The table.
        table: String,
        /// The column, or nothing if the table itself is unknown.
        column: String,
        /// What must hold.
        rule: &'static str,
    },
}
