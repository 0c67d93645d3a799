//! A chain.
mod contract;
#[cfg(test)]
mod tests;
