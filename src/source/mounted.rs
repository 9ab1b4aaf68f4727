//! Files that are given by their places, such as a Secret that is mounted.

use std::fs::{self, DirEntry, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Bytes of a file that are read.
const FILE_MAX: u64 = 1 << 20;

/// The files of a place, which may be a mounted Secret: what begins with a dot is no entry of it.
pub fn files(place: &Path) -> io::Result<Vec<PathBuf>> {
    if !place.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let entries = fs::read_dir(place)?.collect::<io::Result<Vec<_>>>()?;
    let is_entry = |entry: &DirEntry| !entry.file_name().as_encoded_bytes().starts_with(b".");
    let mut files: Vec<_> =
        entries.into_iter().filter(is_entry).map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

/// What is in one of them.
pub fn text(file: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(file)?.take(FILE_MAX).read_to_end(&mut text)?;
    Ok(text)
}
