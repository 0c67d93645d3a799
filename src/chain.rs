//! What the configuration says of a chain, as the ledger's adapter needs it.
//!
//! ```toml
//! [ledger]
//! kind = "evm"
//! [ledger.evm]
//! url = "http://127.0.0.1:8545"
//! chain_id = 1337
//! contract = "0x…"        # graunt chain deploy makes one
//! gas_price = 0           # or gas_price_max and tip_max, where the price follows demand
//! final_blocks = 1        # or the node's own word, its tag "finalized"
//! ```

use std::time::Duration;

use ledger_adapter::chain::finality::{FinalRule, FinalityRules};
use ledger_adapter::chain::transaction::Fees;
use ledger_adapter::chain::{Address, Network};
use ledger_adapter::charge::Finality;
use serde::Deserialize;

use crate::fail::Failure;

/// Where accounts are decided about.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// In the log of this home.
    #[default]
    Log,
    /// By the contract on an EVM chain; the log has the receipts.
    Evm,
    /// In the log of another home, which is followed and never written to.
    Follow,
}

/// The chain of the configuration.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct EvmTerms {
    /// Where a node listens.
    pub(crate) url: String,
    /// The chain's number.
    pub(crate) chain_id: u64,
    /// The contract; none before it is made.
    pub(crate) contract: Option<String>,
    /// A fixed price of gas.
    pub(crate) gas_price: Option<u64>,
    /// Most that is paid for a unit of gas, where the price follows demand.
    pub(crate) gas_price_max: Option<u64>,
    /// Most of it that goes to whoever makes the block.
    pub(crate) tip_max: Option<u64>,
    /// Blocks until a record is final; without it, the node's tag says so.
    pub(crate) final_blocks: Option<u64>,
    /// Blocks until a record is confirmed.
    pub(crate) confirmations: Option<u64>,
    /// Longest wait for a record to be as final as is needed, in seconds.
    pub(crate) patience_seconds: Option<u64>,
}

impl EvmTerms {
    /// The network, on which records are made as final as `need`.
    ///
    /// # Errors
    /// [`Failure::Usage`] without fees or contract, [`Failure::Ledger`] for a wrong address.
    pub(crate) fn network(&self, need: Finality) -> Result<Network, Failure> {
        let contract = self.contract.as_ref().ok_or_else(|| {
            Failure::usage("[ledger.evm] names no contract", "graunt chain deploy makes one")
        })?;
        self.network_of(contract.parse()?, need)
    }

    /// As [`EvmTerms::network`], before there is a contract.
    ///
    /// # Errors
    /// [`Failure::Usage`] without fees.
    pub(crate) fn network_without(&self, need: Finality) -> Result<Network, Failure> {
        self.network_of(NOWHERE.parse()?, need)
    }

    fn network_of(&self, contract: Address, need: Finality) -> Result<Network, Failure> {
        let mut network = Network::new(&self.url, self.chain_id, contract, self.fees()?);
        let rule = self.final_blocks.map_or(FinalRule::Tag, FinalRule::Blocks);
        let confirmations = self.confirmations.unwrap_or(network.finality.confirmations);
        network.finality = FinalityRules { confirmations, rule };
        network.need = need;
        network.patience = self.patience_seconds.map_or(network.patience, Duration::from_secs);
        Ok(network)
    }

    fn fees(&self) -> Result<Fees, Failure> {
        match (self.gas_price, self.gas_price_max, self.tip_max) {
            (Some(price), None, None) => Ok(Fees::Fixed { price: price.into() }),
            (None, Some(price_max), tip_max) => Ok(Fees::Dynamic {
                price_max: price_max.into(),
                tip_max: tip_max.unwrap_or(0).into(),
            }),
            _ => Err(Failure::usage(
                "[ledger.evm] does not say what gas may cost",
                "gas_price = 0 where it is free; otherwise gas_price, or gas_price_max and tip_max",
            )),
        }
    }
}

/// No contract is there.
const NOWHERE: &str = "0x0000000000000000000000000000000000000000";

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> EvmTerms {
        let base = "url = \"http://127.0.0.1:1\"\nchain_id = 7\n";
        toml::from_str(&format!("{base}{text}")).unwrap()
    }

    #[test]
    fn fees_are_said_outright() {
        let contract = "contract = \"0x00000000000000000000000000000000000000ff\"\n";
        let network = |text: &str| terms(&format!("{contract}{text}")).network(Finality::Final);
        assert_eq!(network("gas_price = 0").unwrap().fees, Fees::Fixed { price: 0 });
        let dynamic = network("gas_price_max = 9\ntip_max = 2\nfinal_blocks = 3").unwrap();
        assert_eq!(dynamic.fees, Fees::Dynamic { price_max: 9, tip_max: 2 });
        assert_eq!(dynamic.finality.rule, FinalRule::Blocks(3));
        for text in ["", "tip_max = 1", "gas_price = 1\ngas_price_max = 2"] {
            assert!(network(text).is_err(), "{text}");
        }
        assert!(terms("gas_price = 0").network(Finality::Final).is_err());
        assert!(terms("gas_price = 0").network_without(Finality::Final).is_ok());
    }
}
