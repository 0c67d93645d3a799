//! The file system of the operating system.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::disk::{Disk, DiskFile, How, Stat};

/// The operating system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct System;

impl Disk for System {
    fn open(&self, path: &Path, how: How) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        match how {
            How::Read => options.read(true),
            How::Change => options.read(true).write(true),
            How::Lock(mode) => options.read(true).write(true).create(true).mode(mode),
            How::Replace(mode) => options.write(true).create(true).truncate(true).mode(mode),
            How::Create(mode) => options.write(true).create_new(true).mode(mode),
        };
        Ok(Box::new(options.open(path)?))
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        fs::metadata(path).map(|found| stat(&found))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(PRIVATE_DIRECTORY).create(path)
    }
}

impl DiskFile for File {
    fn read_at(&self, bytes: &mut [u8], place: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, bytes, place)
    }

    fn write_at(&self, bytes: &[u8], place: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(self, bytes, place)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }

    fn stat(&self) -> io::Result<Stat> {
        self.metadata().map(|found| stat(&found))
    }

    fn lock(&self) -> io::Result<()> {
        Self::lock(self)
    }

    fn unlock(&self) -> io::Result<()> {
        Self::unlock(self)
    }
}

fn stat(found: &Metadata) -> Stat {
    let identity = (found.dev(), found.ino());
    Stat { identity, length: found.len(), is_directory: found.is_dir() }
}

const PRIVATE_DIRECTORY: u32 = 0o700;
