//! One charge, spent in steps.
//!
//! ```text
//!   Charged ──open──▶ Purse ──add──▶ noisy integers
//!                       │   ──select──▶ indices       what a step returns may shape the next one
//!                       │   ──keep──▶ which keys
//!                       │   ──share──▶ values with one party's share of the noise
//!                       └──close──▶ Charged
//! ```
//! Every step is paid before anything is drawn for it, and all steps together cost at most what
//! was granted. A step that fails spoils the purse: the charge stands and cannot be released.
//!
//! # Source
//! Whitehouse, Ramdas, Rogers and Wu, Fully-Adaptive Composition in Differential Privacy, 2023, for
//! steps whose parameters depend on what earlier ones returned.
#![deny(clippy::float_arithmetic)]

use ledger_adapter::charge::Charged;
use ledger_adapter::cost::{Cost, Delta};

use super::choice::Chooser;
use super::mechanism::{self, Mechanism};
use super::share::{self, NoisyShare};
#[cfg(test)]
use super::tape;
use super::{Column, KeepTable, Noise, NoiseError, Scores};
use super::{deviation, generator, selection_charge};

/// Whatever noise is drawn through: a [`Purse`], or many parties that each add a share.
pub trait Door {
    /// As [`Purse::add`]; what comes back is an answer, or decides what is answered.
    ///
    /// # Errors
    /// As [`Purse::add`].
    fn add(&mut self, columns: Vec<Column>) -> Result<Vec<Vec<i128>>, NoiseError>;

    /// As [`Door::add`]; what comes back only chooses how precisely the rest is answered.
    ///
    /// # Errors
    /// As [`Purse::add`].
    fn add_to_choose(&mut self, columns: Vec<Column>) -> Result<Vec<Vec<i128>>, NoiseError> {
        self.add(columns)
    }

    /// As [`Purse::select`].
    ///
    /// # Errors
    /// As [`Purse::select`].
    fn select(&mut self, selections: Vec<Scores>) -> Result<Vec<Vec<usize>>, NoiseError>;

    /// As [`Purse::keep`].
    ///
    /// # Errors
    /// As [`Purse::keep`].
    fn keep(&mut self, counts: &[i128], table: &KeepTable) -> Result<Vec<bool>, NoiseError>;

    /// The noise that values get which are asked for with `noise`.
    ///
    /// # Errors
    /// If it has no scale.
    fn law(&self, noise: Noise) -> Result<Noise, NoiseError> {
        Ok(noise)
    }

    /// The variance of that noise, to the last digit: where it is narrow, what is put together
    /// from shares is not quite of any one law.
    ///
    /// # Errors
    /// If it has no scale.
    fn variance(&self, noise: Noise) -> Result<f64, NoiseError> {
        Ok(deviation(self.law(noise)?).powi(2))
    }

    /// Most values that are worth their while in one pass, if fewer will do.
    fn values_max(&self) -> usize {
        usize::MAX
    }
}

impl Door for Purse {
    fn add(&mut self, columns: Vec<Column>) -> Result<Vec<Vec<i128>>, NoiseError> {
        Self::add(self, columns)
    }

    fn select(&mut self, selections: Vec<Scores>) -> Result<Vec<Vec<usize>>, NoiseError> {
        Self::select(self, selections)
    }

    fn keep(&mut self, counts: &[i128], table: &KeepTable) -> Result<Vec<bool>, NoiseError> {
        Self::keep(self, counts, table)
    }
}

/// A granted charge of which part is spent.
#[derive(Debug)]
#[must_use = "the charge stands, whether it is used or not"]
pub struct Purse {
    /// `None` after a step has failed.
    charged: Option<Charged>,
    spent: Cost,
}

impl Purse {
    /// Makes a purse of all that was granted.
    pub fn open(charged: Charged) -> Self {
        Self { charged: Some(charged), spent: Cost::default() }
    }

    /// What may still be spent; nothing after a step has failed.
    pub fn left(&self) -> Cost {
        let granted = self.charged.as_ref().map(Charged::cost);
        granted.and_then(|granted| granted.checked_sub(self.spent)).unwrap_or_default()
    }

    /// Adds noise to all columns.
    ///
    /// Shape: as `columns`, column by column, value by value. A sum beyond `i128` is its nearest
    /// end. Residual columns come back projected, in steps of 1/N² of the original grid; see
    /// [`Residual`](super::Residual).
    ///
    /// # Errors
    /// Before anything is drawn: [`NoiseError::Underfunded`] if the charges of the columns and of
    /// earlier steps exceed the granted one, [`NoiseError::MapDisagrees`] if opendp finds a column
    /// dearer than we do, [`NoiseError::BadResidual`], [`NoiseError::Spoilt`], and what
    /// [`charge_of`](super::charge_of) refuses. Then [`NoiseError::Entropy`] or
    /// [`NoiseError::Mechanism`].
    ///
    /// # Privacy
    /// Neighbours differ in one whole person, who moves at most `groups` values of a column by at
    /// most `sensitivity` each. Column i is then ρᵢ-zCDP with ρᵢ from
    /// [`charge_of`](super::charge_of) or [`residual_charge`](super::residual_charge), and all
    /// columns together Σρᵢ-zCDP.
    pub fn add(&mut self, columns: Vec<Column>) -> Result<Vec<Vec<i128>>, NoiseError> {
        let charged = self.take()?;
        let mechanisms = self.pay_for(&charged, &columns)?;
        #[cfg(test)]
        let parts = columns.iter().map(tape::Part::of_column).collect();
        let draw = || -> Result<Vec<Vec<i128>>, NoiseError> {
            let pairs = columns.into_iter().zip(&mechanisms);
            pairs.map(|(column, mechanism)| mechanism.perturb(column)).collect()
        };
        #[cfg(test)]
        let draw = || tape::pass("add", parts, draw);
        let noisy = draw()?;
        self.charged = Some(charged);
        Ok(noisy)
    }

    /// Adds one party's share of noise to all columns, where at least `honest` of the parties that
    /// add up their shares neither leave theirs out nor tell it.
    ///
    /// # Errors
    /// As for [`add`](Self::add), and those of [`share`](mod@super::share).
    ///
    /// # Privacy
    /// As for [`add`](Self::add), of the sum of the shares, to whoever sees no share of an honest
    /// party but in that sum.
    pub fn share(&mut self, columns: Vec<Column>, honest: u32) -> Result<NoisyShare, NoiseError> {
        let charged = self.take()?;
        self.pay_for(&charged, &columns)?;
        let drawn = columns.into_iter().map(|column| share::draw(column, honest));
        let drawn = NoisyShare::new(drawn.collect::<Result<_, _>>()?);
        self.charged = Some(charged);
        Ok(drawn)
    }

    /// Pays for columns to which others add the noise.
    ///
    /// # Errors
    /// As for [`add`](Self::add), before anything is drawn.
    pub fn account(&mut self, columns: &[Column]) -> Result<(), NoiseError> {
        let charged = self.take()?;
        self.pay_for(&charged, columns)?;
        self.charged = Some(charged);
        Ok(())
    }

    /// Chooses one candidate for every cell of every selection, by the exponential mechanism.
    ///
    /// Shape: as `selections`, one index per cell, into that cell's scores.
    ///
    /// # Errors
    /// As for [`add`](Self::add), and [`NoiseError::NoCandidates`] if a cell has no scores.
    ///
    /// # Privacy
    /// Neighbours differ in one whole person, who moves the scores of at most `groups` cells; the
    /// range of the changes in one cell is at most `sensitivity`. With ε = η · `sensitivity` one
    /// cell is ε-bounded-range, thus ε²/8-zCDP, and a selection `groups` times that.
    ///
    /// # Source
    /// Dong, Durfee and Rogers, Optimal Differential Privacy Composition for Exponential
    /// Mechanisms, 2020; Cesar and Rogers, Bounding, Concentrating, and Truncating, 2021, Lemma
    /// 3.2, for ε²/8.
    pub fn select(&mut self, selections: Vec<Scores>) -> Result<Vec<Vec<usize>>, NoiseError> {
        let charged = self.take()?;
        let mut cost = Cost::default();
        for Scores { values, sensitivity, groups, sharpness } in &selections {
            if values.iter().any(Vec::is_empty) {
                return Err(NoiseError::NoCandidates);
            }
            let rho = selection_charge(*sensitivity, *groups, *sharpness)?;
            mechanism::check_selection(*sensitivity, *groups, *sharpness, rho)?;
            cost = sum(cost, Cost { rho, delta: Delta::default() })?;
        }
        self.pay(&charged, cost)?;
        #[cfg(test)]
        let parts = selections.iter().map(tape::Part::of_scores).collect();
        let draw = || selections.iter().map(choose).collect::<Result<Vec<_>, _>>();
        #[cfg(test)]
        let draw = || tape::pass("select", parts, draw);
        let chosen = draw()?;
        self.charged = Some(charged);
        Ok(chosen)
    }

    /// Decides for every key whether it is shown, by its number of persons.
    ///
    /// Shape: as `counts`. A count below zero is as zero, one past the table as its last entry.
    ///
    /// # Errors
    /// Before anything is drawn: [`NoiseError::Underfunded`], [`NoiseError::DeltaUnderfunded`],
    /// [`NoiseError::BadTable`], [`NoiseError::Spoilt`]. Then [`NoiseError::Entropy`].
    ///
    /// # Privacy
    /// That of the table, whose maker vouches for it. It is met exactly: probabilities are whole
    /// steps of 2⁻⁶⁴.
    pub fn keep(&mut self, counts: &[i128], table: &KeepTable) -> Result<Vec<bool>, NoiseError> {
        let charged = self.take()?;
        table.check()?;
        self.pay(&charged, Cost { rho: table.rho, delta: table.delta })?;
        let draw = || {
            generator::with(|generator| {
                let keep = |count: &i128| generator.word() < table.probability(*count);
                counts.iter().map(keep).collect::<Vec<_>>()
            })
        };
        #[cfg(test)]
        let draw = || tape::pass("keep", vec![tape::Part::of_counts(counts, table)], draw);
        let kept = draw()?;
        self.charged = Some(charged);
        Ok(kept)
    }

    /// Gives the charge back so that it can be released, with whatever is left of it.
    ///
    /// # Errors
    /// [`NoiseError::Spoilt`] after a step has failed.
    pub fn close(mut self) -> Result<Charged, NoiseError> {
        self.take()
    }

    /// Takes the charge out for a step; only a step that succeeds puts it back.
    fn take(&mut self) -> Result<Charged, NoiseError> {
        self.charged.take().ok_or(NoiseError::Spoilt)
    }

    /// Pays for the noise of columns, whose costs two computations agree about.
    fn pay_for(
        &mut self,
        charged: &Charged,
        columns: &[Column],
    ) -> Result<Vec<Mechanism>, NoiseError> {
        let mut mechanisms = Vec::with_capacity(columns.len());
        let mut cost = Cost::default();
        for column in columns {
            let rho = column.charge()?;
            let mechanism = Mechanism::new(column.noise)?;
            mechanism.check(column, rho)?;
            mechanisms.push(mechanism);
            cost = sum(cost, Cost { rho, delta: Delta::default() })?;
        }
        self.pay(charged, cost)?;
        Ok(mechanisms)
    }

    /// Adds `cost` to what is spent, if it was granted.
    fn pay(&mut self, charged: &Charged, cost: Cost) -> Result<(), NoiseError> {
        let (needed, granted) = (sum(self.spent, cost)?, charged.cost());
        if needed.rho > granted.rho {
            let (needed, granted) = (needed.rho, granted.rho);
            return Err(NoiseError::Underfunded { needed, granted });
        }
        if needed.delta > granted.delta {
            let (needed, granted) = (needed.delta, granted.delta);
            return Err(NoiseError::DeltaUnderfunded { needed, granted });
        }
        self.spent = needed;
        Ok(())
    }
}

fn choose(selection: &Scores) -> Result<Vec<usize>, NoiseError> {
    let chooser = Chooser::new(selection.sharpness);
    generator::with(|generator| {
        selection.values.iter().map(|scores| chooser.choose(scores, generator)).collect()
    })?
}

fn sum(left: Cost, right: Cost) -> Result<Cost, NoiseError> {
    left.checked_add(right).ok_or(NoiseError::Overflow { what: "the charge" })
}
