//! The files of a bulk export, read line by line.
//!
//! # Source
//! FHIR Bulk Data Access 2.0.0, section "File Requirements": each file has resources of one type,
//! one per line. Names of files say nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::fhir::error::FhirError;

/// A directory with an export.
#[derive(Debug)]
pub(super) struct Export {
    /// Files by the type of their resources, in the order of their names.
    pub(super) files: BTreeMap<String, Vec<PathBuf>>,
    /// Names of files that are no bulk data.
    pub(super) others: Vec<String>,
}

impl Export {
    /// Looks what there is. The first line of a file says what it has.
    ///
    /// # Errors
    /// [`FhirError::NoFiles`], [`FhirError::Unsupported`] for compressed files, and those of
    /// reading a line.
    pub(super) fn open(directory: &Path) -> Result<Self, FhirError> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(directory).map_err(store(directory, "listing"))? {
            let path = entry.map_err(store(directory, "listing"))?.path();
            if path.is_file() {
                paths.push(path);
            }
        }
        paths.sort();
        let mut export = Self { files: BTreeMap::new(), others: Vec::new() };
        let mut found = false;
        for path in paths {
            let name = file_name(&path);
            let lower = name.to_lowercase();
            if [".ndjson.gz", ".ndjson.zst", ".ndjson.bz2"].iter().any(|end| lower.ends_with(end)) {
                let fault = "compressed files are not read; unpack it";
                return Err(FhirError::Unsupported { path, fault });
            }
            if !lower.ends_with(".ndjson") {
                export.others.push(name);
                continue;
            }
            found = true;
            let mut lines = Lines::open(&path)?;
            if let Some((_, resource)) = lines.next()? {
                let kind = lines.kind_of(&resource)?.to_owned();
                export.files.entry(kind).or_default().push(path);
            }
        }
        if found { Ok(export) } else { Err(FhirError::NoFiles { path: directory.to_owned() }) }
    }

    /// Hands over every resource of a type, with its file and line.
    ///
    /// # Errors
    /// [`FhirError::Line`], [`FhirError::Json`], [`FhirError::Store`], and those of `take`.
    pub(super) fn each(
        &self,
        kind: &str,
        take: &mut dyn FnMut(&Path, u64, &Value) -> Result<(), FhirError>,
    ) -> Result<(), FhirError> {
        for path in self.files.get(kind).into_iter().flatten() {
            let mut lines = Lines::open(path)?;
            while let Some((line, resource)) = lines.next()? {
                if lines.kind_of(&resource)? != kind {
                    return Err(lines.fault("a resource of another type than the first line's"));
                }
                take(path, line, &resource)?;
            }
        }
        Ok(())
    }
}

/// The name of a file.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A file that is read line by line, in memory for one line.
struct Lines<'p> {
    path: &'p Path,
    reader: BufReader<File>,
    line: u64,
    bytes: Vec<u8>,
}

impl<'p> Lines<'p> {
    fn open(path: &'p Path) -> Result<Self, FhirError> {
        let file = File::open(path).map_err(store(path, "opening"))?;
        Ok(Self { path, reader: BufReader::new(file), line: 0, bytes: Vec::new() })
    }

    /// The next line that is not blank, with its number.
    fn next(&mut self) -> Result<Option<(u64, Value)>, FhirError> {
        loop {
            self.bytes.clear();
            self.line += 1;
            let mut bounded = (&mut self.reader).take(LINE_BYTES_MAX + 1);
            let read =
                bounded.read_until(b'\n', &mut self.bytes).map_err(store(self.path, "reading"))?;
            if read as u64 > LINE_BYTES_MAX {
                return Err(self.fault("a line of more than 256 MiB"));
            }
            if read == 0 {
                return Ok(None);
            }
            let bytes = self.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.bytes);
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let resource = serde_json::from_slice(bytes).map_err(|source| FhirError::Json {
                path: self.path.to_owned(),
                line: self.line,
                source,
            })?;
            return Ok(Some((self.line, resource)));
        }
    }

    fn kind_of<'v>(&self, resource: &'v Value) -> Result<&'v str, FhirError> {
        let kind = resource.get("resourceType").and_then(Value::as_str);
        kind.filter(|kind| !kind.is_empty())
            .ok_or_else(|| self.fault("not a resource: there is no resourceType"))
    }

    fn fault(&self, fault: &'static str) -> FhirError {
        FhirError::Line { path: self.path.to_owned(), line: self.line, fault }
    }
}

fn store(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> FhirError {
    let path = path.to_owned();
    move |source| FhirError::Store { path, action, source }
}

/// Beyond any resource but one with images in it.
const LINE_BYTES_MAX: u64 = 256 * 1024 * 1024;
