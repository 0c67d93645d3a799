//! The directory of tables, which appears whole or not at all.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use crate::fhir::error::FhirError;
use crate::fhir::layout::Layout;

/// Tables that are being written beside the place where they will appear. They are removed again
/// when this is dropped before.
#[derive(Debug)]
pub(super) struct Output {
    draft: PathBuf,
    place: PathBuf,
    writers: BTreeMap<&'static str, csv::Writer<BufWriter<File>>>,
    published: bool,
}

impl Output {
    /// Begins the tables, which have their header even if no row follows.
    ///
    /// # Errors
    /// [`FhirError::Exists`] if there is anything but an empty directory; [`FhirError::Store`],
    /// [`FhirError::Write`].
    ///
    /// # Privacy
    /// Only its owner may look into the directory.
    pub(super) fn begin<'l>(
        place: &Path,
        layouts: impl IntoIterator<Item = &'l Layout>,
    ) -> Result<Self, FhirError> {
        refuse_occupied(place)?;
        let name = place.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_else(|| "tables".to_owned());
        let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(store(parent, "making the directory"))?;
        let draft = parent.join(format!(".{name}.{}.part", std::process::id()));
        private_directory(&draft).map_err(store(&draft, "making the directory"))?;
        let writers = BTreeMap::new();
        let mut output = Self { draft, place: place.to_owned(), writers, published: false };
        for layout in layouts {
            output.table(layout)?;
        }
        Ok(output)
    }

    fn table(&mut self, layout: &Layout) -> Result<(), FhirError> {
        let path = self.draft.join(format!("{}.csv", layout.table));
        let file = File::create_new(&path).map_err(store(&path, "making the file"))?;
        let mut writer = csv::Writer::from_writer(BufWriter::new(file));
        let header = layout.columns.iter().map(|column| column.name);
        writer
            .write_record(header)
            .map_err(|source| FhirError::Write { table: layout.table, source })?;
        self.writers.insert(layout.table, writer);
        Ok(())
    }

    /// Adds a row; nothing is an empty field.
    ///
    /// # Errors
    /// [`FhirError::Write`].
    pub(super) fn write(
        &mut self,
        table: &'static str,
        fields: &[Option<String>],
    ) -> Result<(), FhirError> {
        let Some(writer) = self.writers.get_mut(table) else { return Ok(()) };
        let fields = fields.iter().map(|field| field.as_deref().unwrap_or_default());
        writer.write_record(fields).map_err(|source| FhirError::Write { table, source })
    }

    /// Puts a file beside the tables that is a table already.
    ///
    /// # Errors
    /// [`FhirError::Store`].
    pub(super) fn adopt(&mut self, table: &str, file: &Path) -> Result<(), FhirError> {
        let path = self.draft.join(format!("{table}.csv"));
        // A link to a link would be one that leads nowhere from here.
        let file = file.canonicalize().map_err(store(file, "finding"))?;
        fs::hard_link(&file, &path)
            .or_else(|_| fs::copy(&file, &path).map(|_| ()))
            .map_err(store(&path, "copying"))
    }

    /// Makes the tables appear.
    ///
    /// # Errors
    /// [`FhirError::Store`]; [`FhirError::Exists`] if something else has appeared there.
    pub(super) fn publish(mut self) -> Result<(), FhirError> {
        for (table, writer) in std::mem::take(&mut self.writers) {
            let path = self.draft.join(format!("{table}.csv"));
            let inner = writer.into_inner().map_err(|error| io::Error::from(error.error().kind()));
            inner
                .and_then(|inner| inner.into_inner().map_err(io::IntoInnerError::into_error))
                .and_then(|file| file.sync_all())
                .map_err(store(&path, "writing"))?;
        }
        refuse_occupied(&self.place)?;
        fs::rename(&self.draft, &self.place).map_err(store(&self.place, "renaming"))?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.published {
            // Best effort: what is left has a name that nothing reads.
            let _ = fs::remove_dir_all(&self.draft);
        }
    }
}

fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn refuse_occupied(place: &Path) -> Result<(), FhirError> {
    let occupied = match fs::read_dir(place) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    };
    if occupied { Err(FhirError::Exists { path: place.to_owned() }) } else { Ok(()) }
}

fn store(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> FhirError {
    let path = path.to_owned();
    move |source| FhirError::Store { path, action, source }
}
