//! Signed transactions: made once, kept as bytes, known by their hash.
//!
//! It knows the two kinds that every node of today takes, and sends nothing.

use alloy_consensus::transaction::RlpEcdsaEncodableTx;
use alloy_consensus::{SignableTransaction, Signed, TxEip1559, TxLegacy};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};

use crate::chain::key::ChainKey;
use crate::error::LedgerError;

/// What a unit of gas may cost, in the chain's smallest unit of money. Said outright, because what
/// a node suggests is wrong on networks without fees.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fees {
    /// One price, and transactions of the old form, which every network takes: 0 where gas is
    /// free, as on most Besu and Quorum networks.
    Fixed {
        /// The price.
        price: u128,
    },
    /// A price that follows demand (EIP-1559).
    Dynamic {
        /// Most that is paid in all.
        price_max: u128,
        /// Most of it that goes to whoever makes the block.
        tip_max: u128,
    },
}

/// A transaction before it is signed.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) chain_id: u64,
    pub(super) nonce: u64,
    pub(super) gas_limit: u64,
    pub(super) fees: Fees,
    /// The contract; `None` makes a new one.
    pub(super) to: Option<Address>,
    pub(super) input: Vec<u8>,
}

/// A signed transaction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Sealed {
    pub(super) hash: B256,
    pub(super) nonce: u64,
    pub(super) to: Option<Address>,
    pub(super) input: Vec<u8>,
    pub(super) raw: Vec<u8>,
}

impl Draft {
    pub(super) fn sign(self, key: &ChainKey) -> Result<Sealed, LedgerError> {
        let Self { chain_id, nonce, gas_limit, fees, to, input } = self;
        let kind = to.map_or(TxKind::Create, TxKind::Call);
        let (value, bytes) = (U256::ZERO, Bytes::from(input));
        match fees {
            Fees::Fixed { price: gas_price } => {
                let chain_id = Some(chain_id);
                let (to, input) = (kind, bytes);
                let draft = TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input };
                seal_with(key, draft)
            }
            Fees::Dynamic { price_max, tip_max } => seal_with(
                key,
                TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: price_max,
                    max_priority_fee_per_gas: tip_max,
                    to: kind,
                    value,
                    input: bytes,
                    ..TxEip1559::default()
                },
            ),
        }
    }
}

impl Sealed {
    /// Reads a signed transaction, and accepts it only from this sender on this chain.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`].
    pub(super) fn decode(
        raw: Vec<u8>,
        chain_id: u64,
        sender: Address,
    ) -> Result<Self, LedgerError> {
        // The new form begins with its number, the old one with a list.
        if raw.first() == Some(&EIP_1559) {
            let signed = Signed::<TxEip1559>::eip2718_decode(&mut raw.as_slice());
            accept(&signed.map_err(|error| malformed(error.to_string()))?, raw, chain_id, sender)
        } else {
            let signed = Signed::<TxLegacy>::eip2718_decode(&mut raw.as_slice());
            accept(&signed.map_err(|error| malformed(error.to_string()))?, raw, chain_id, sender)
        }
    }
}

fn seal_with<T: SignableTransaction<Signature> + RlpEcdsaEncodableTx>(
    key: &ChainKey,
    draft: T,
) -> Result<Sealed, LedgerError> {
    let signature = key.sign(draft.signature_hash())?;
    let mut raw = Vec::new();
    draft.eip2718_encode(&signature, &mut raw);
    Ok(seal(&draft.into_signed(signature), raw))
}

fn accept<T: SignableTransaction<Signature> + RlpEcdsaEncodableTx>(
    signed: &Signed<T>,
    raw: Vec<u8>,
    chain_id: u64,
    sender: Address,
) -> Result<Sealed, LedgerError> {
    let found = signed.recover_signer().map_err(|error| malformed(error.to_string()))?;
    if found != sender || signed.tx().chain_id() != Some(chain_id) {
        return Err(malformed("of another sender or chain".to_owned()));
    }
    let read = seal(signed, raw);
    // One transaction has one spelling, or its hash would be of other bytes.
    if keccak256(&read.raw) == read.hash {
        Ok(read)
    } else {
        Err(malformed("not in its one spelling".to_owned()))
    }
}

fn seal<T: SignableTransaction<Signature> + RlpEcdsaEncodableTx>(
    signed: &Signed<T>,
    raw: Vec<u8>,
) -> Sealed {
    let tx = signed.tx();
    Sealed { hash: *signed.hash(), nonce: tx.nonce(), to: tx.to(), input: tx.input().to_vec(), raw }
}

fn malformed(detail: String) -> LedgerError {
    LedgerError::Malformed { what: "transaction", detail }
}

const EIP_1559: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(fees: Fees) -> Draft {
        Draft {
            chain_id: 1,
            nonce: 9,
            gas_limit: 21_000,
            fees,
            to: Some(Address::repeat_byte(0x35)),
            input: vec![1, 2, 3],
        }
    }

    #[test]
    fn the_example_of_eip_155_is_signed() {
        // EIP-155, "Example", but for the value: signing data from its printed parts.
        let key = ChainKey::from_bytes(&[0x46; 32]).unwrap();
        let signed = TxLegacy {
            chain_id: Some(1),
            nonce: 9,
            gas_price: 20_000_000_000,
            gas_limit: 21_000,
            to: TxKind::Call(Address::repeat_byte(0x35)),
            value: U256::from(1_000_000_000_000_000_000_u64),
            input: Bytes::new(),
        };
        let sealed = seal_with(&key, signed).unwrap();
        let written = "f86c098504a817c800825208943535353535353535353535353535353535353535880\
                       de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e15\
                       90620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966\
                       a3b6d83";
        assert_eq!(alloy_primitives::hex::encode(&sealed.raw), written);
    }

    #[test]
    fn both_forms_come_back_from_their_sender_only() {
        let key = ChainKey::from_bytes(&[0x46; 32]).unwrap();
        let dynamic = Fees::Dynamic { price_max: 7, tip_max: 1 };
        for fees in [Fees::Fixed { price: 0 }, dynamic] {
            let sealed = draft(fees).sign(&key).unwrap();
            assert_eq!(sealed.hash, keccak256(&sealed.raw));
            let read = |raw, chain_id| Sealed::decode(raw, chain_id, key.sender());
            assert_eq!(read(sealed.raw.clone(), 1).unwrap(), sealed);
            assert!(read(sealed.raw.clone(), 2).is_err());
            let other = Address::repeat_byte(1);
            assert!(Sealed::decode(sealed.raw.clone(), 1, other).is_err());
            for at in 0..sealed.raw.len() {
                let mut wrong = sealed.raw.clone();
                wrong[at] ^= 1;
                assert!(read(wrong, 1).is_err(), "{at}");
                assert!(read(sealed.raw[..at].to_vec(), 1).is_err(), "{at}");
            }
            let longer = [sealed.raw.as_slice(), &[0]].concat();
            assert!(read(longer, 1).is_err());
        }
    }
}
