//! The indicators at hand: the built-in ones, and those of one's own directories.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::file::{self, FileError, nearest};

use super::error::IndicatorError;
use super::files::BUILT_IN;
use super::indicator::Indicator;

/// Indicators by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    indicators: BTreeMap<String, Indicator>,
}

impl Catalogue {
    /// The indicators that come with this crate.
    ///
    /// # Errors
    /// None, as long as the tests of this crate pass; what a file of it would lack otherwise.
    pub fn built_in() -> Result<Self, IndicatorError> {
        let mut catalogue = Self::default();
        for (stem, text) in BUILT_IN {
            catalogue.add(&format!("{stem}.toml"), text)?;
        }
        Ok(catalogue)
    }

    /// The same with every `.toml` file of a directory, in the order of their names.
    ///
    /// # Errors
    /// [`FileError::Unreadable`] if the directory or a file cannot be read,
    /// [`IndicatorError::File`] if a file is wrong, [`IndicatorError::Taken`] if its name is.
    pub fn with_directory(mut self, directory: &Path) -> Result<Self, IndicatorError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| FileError::Unreadable { path, source }
        };
        let entries = fs::read_dir(directory).map_err(unreadable(directory))?;
        let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| Ok(entry?.path())).collect();
        let mut paths = paths.map_err(unreadable(directory))?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        for path in paths {
            let text = file::read(&path)?;
            self.add(&path.display().to_string(), &text)?;
        }
        Ok(self)
    }

    /// The same with one more.
    ///
    /// # Errors
    /// [`IndicatorError::File`] if the text is wrong, [`IndicatorError::Taken`] if its name
    /// is.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), IndicatorError> {
        let indicator = Indicator::read(file, text)?;
        let id = indicator.id.clone();
        if self.indicators.contains_key(&id) {
            return Err(IndicatorError::Taken { id, file: file.to_owned() });
        }
        self.indicators.insert(id, indicator);
        Ok(())
    }

    /// The indicator of a name.
    ///
    /// # Errors
    /// [`IndicatorError::Unknown`], with the nearest name there is.
    pub fn find(&self, id: &str) -> Result<&Indicator, IndicatorError> {
        self.indicators.get(id).ok_or_else(|| {
            let meant = nearest(id, self.indicators.keys().map(String::as_str));
            IndicatorError::Unknown { id: id.to_owned(), nearest: meant.map(str::to_owned) }
        })
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Indicator> {
        self.indicators.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.indicators.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.indicators.is_empty()
    }
}
