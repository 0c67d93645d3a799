//! Ciphertexts of which only the sum is ever opened.
//!
//! It knows no queries, noise, ledgers or networks.
