//! `graunt policy`: de-identification policies to start from.

use std::fs;
use std::path::Path;

use datasets::policy::Policy;
use serde_json::json;

use crate::commands::Context;
use crate::fail::Failure;
use crate::output::Output;

/// Arguments of `graunt policy`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Name of a built-in policy; without it, their names are listed
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// Prints a built-in policy, or their names.
///
/// # Errors
/// [`Failure::Policy`], [`Failure::Output`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    match &arguments.name {
        Some(name) => {
            let text = Policy::builtin_text(name)?;
            if context.json {
                return out.json(&json!({"name": name, "text": text}));
            }
            out.bytes(text.as_bytes())
        }
        None if context.json => out.json(&json!({"policies": Policy::BUILTIN})),
        None => Policy::BUILTIN.iter().try_for_each(|name| out.line(name)),
    }
}

/// The policy of a built-in name, or in a file.
///
/// # Errors
/// [`Failure::Policy`], [`Failure::Usage`] if there is neither, [`Failure::Store`].
pub(crate) fn resolve(name: &str) -> Result<Policy, Failure> {
    if Policy::BUILTIN.contains(&name) {
        return Ok(Policy::builtin(name)?);
    }
    let path = Path::new(name);
    if !path.is_file() {
        let what = format!("{name:?} is neither a built-in policy nor a file");
        let hint = format!("built in are {}", Policy::BUILTIN.join(", "));
        return Err(Failure::usage(what, hint));
    }
    let text = fs::read_to_string(path).map_err(Failure::store(path, "reading"))?;
    Ok(Policy::from_text(&text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_policies_can_be_saved_and_used_again() {
        let directory = tempfile::tempdir().unwrap();
        for name in Policy::BUILTIN {
            let path = directory.path().join(name);
            fs::write(&path, Policy::builtin_text(name).unwrap()).unwrap();
            let read = resolve(&path.display().to_string()).unwrap();
            assert_eq!(read.digest(), resolve(name).unwrap().digest());
        }
        assert_eq!(resolve("none-such").unwrap_err().exit_code(), 2);
    }
}
