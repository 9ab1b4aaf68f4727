//! Decrypts files before anything is made of them: the MAC that SOPS made is of the file as it is in the repository.

use std::fs;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;
use sha2::{Digest as _, Sha256};

use super::program::{Ended, Run};
use super::stage::Stage;
use super::{Keys, Tools, vault};
use crate::render::encrypted::{Decrypted, Format, Opened, Piece, pieces, recipients, secrets};
use crate::render::{Content, Diagnostic, Origin, Problem, Secrets, SourceFile, built};
use crate::source::{Snapshot, SourceError};

/// Name of the program.
const SOPS: &str = "sops";
/// Files that are decrypted side by side, for one app.
const PARALLEL: usize = 4;
/// Where the program finds the file, in its folder.
const FILE: &str = "file";

/// The snapshot with its encrypted files decrypted; by sops, unless they were before. What cannot be decrypted is left
/// out, and said.
pub(super) async fn decrypt(
    tools: &Tools,
    keys: Option<&Arc<Keys>>,
    before: &Opened,
    mut snapshot: Snapshot,
) -> Result<Snapshot, SourceError> {
    let encrypted: Vec<_> = snapshot.files.iter().enumerate().filter_map(format_of).collect();
    if encrypted.is_empty() {
        return Ok(snapshot);
    }
    let Some(keys) = keys else {
        return Ok(left_out(snapshot, &encrypted));
    };
    let jobs: Vec<_> = encrypted
        .into_iter()
        .map(|(at, format)| (at, format, snapshot.files[at].clone()))
        .map(|(at, format, file)| async move { (at, one(tools, keys, before, format, file).await) })
        .collect();
    let mut done: Vec<_> = stream::iter(jobs).buffer_unordered(PARALLEL).collect().await;
    // From the last one on, so that places stay what they are.
    done.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    for (at, decrypted) in done {
        match decrypted? {
            Ok(content) => snapshot.files[at].content = content,
            Err(problem) => {
                let file = snapshot.files.remove(at);
                snapshot.diagnostics.push(Diagnostic::at(Origin::file(file.path), problem));
            }
        }
    }
    Ok(snapshot)
}

fn format_of((at, file): (usize, &SourceFile)) -> Option<(usize, Format)> {
    match &file.content {
        Content::Read(bytes, _) => Some((at, Format::of(&file.path, bytes)?)),
        Content::Known(_) | Content::Decrypted(_) => None,
    }
}

/// Nothing that is encrypted is ever applied as it is.
fn left_out(mut snapshot: Snapshot, encrypted: &[(usize, Format)]) -> Snapshot {
    for (at, _) in encrypted.iter().rev() {
        let file = snapshot.files.remove(*at);
        snapshot.diagnostics.push(Diagnostic::at(Origin::file(file.path), Problem::Encrypted));
    }
    snapshot
}

/// Decrypts a file, or says what is wrong with it.
async fn one(
    tools: &Tools,
    keys: &Arc<Keys>,
    before: &Opened,
    format: Format,
    file: SourceFile,
) -> Result<Result<Content, Problem>, SourceError> {
    let Content::Read(raw, id) = file.content else { return Ok(Ok(file.content)) };
    let digest = Sha256::digest(&raw).into();
    if let Some(known) = before.find(keys.fingerprint(), digest, format) {
        return Ok(Ok(Content::Decrypted(known.clone())));
    }
    let (mut bytes, mut found) = (Vec::new(), Vec::new());
    for Piece { text, is_encrypted } in pieces(format, &raw) {
        if !bytes.is_empty() {
            bytes.extend_from_slice(b"---\n");
        }
        if !is_encrypted {
            bytes.extend(text);
            continue;
        }
        match piece(tools, keys, format, &text).await? {
            Ok(plain) => {
                found.extend(secrets(format, &text, &plain));
                bytes.extend(plain);
            }
            Err(problem) => return Ok(Err(problem)),
        }
    }
    let decrypted = Decrypted { bytes, id, digest, format, secrets: found };
    Ok(Ok(Content::Decrypted(Arc::new(decrypted))))
}

async fn piece(
    tools: &Tools,
    keys: &Arc<Keys>,
    format: Format,
    text: &[u8],
) -> Result<Result<Vec<u8>, Problem>, SourceError> {
    let stage = staged(tools, keys, text.to_vec()).await?;
    let ended = run(tools, keys, &stage, format).await?;
    drop(stage);
    Ok(match ended {
        Ended::Well(plain) => Ok(plain),
        ended => Err(problem(&ended, format, text)),
    })
}

/// A folder with the file and what keys have to be in files.
async fn staged(tools: &Tools, keys: &Arc<Keys>, bytes: Vec<u8>) -> Result<Stage, SourceError> {
    let keys = keys.clone();
    let fill = move |stage: &Stage| {
        fs::write(stage.tree().join(FILE), &bytes)?;
        if !keys.pgp.is_empty() {
            fs::write(stage.home().join("secring.gpg"), &keys.pgp)?;
        }
        Ok(())
    };
    tools.stage(fill).await
}

async fn run(
    tools: &Tools,
    keys: &Keys,
    stage: &Stage,
    format: Format,
) -> Result<Ended, SourceError> {
    let format = format.to_string();
    let words = ["decrypt", "--input-type", &format, "--output-type", &format, FILE];
    let mut environment = vec![
        ("SOPS_AGE_KEY", keys.age.clone().into()),
        ("GNUPGHOME", stage.home().into_os_string()),
        // What decrypts is in the ring, and no agent is asked.
        ("SOPS_GPG_EXEC", "/nonexistent".into()),
        ("SOPS_DISABLE_VERSION_CHECK", "1".into()),
    ];
    environment.extend(vault::environment(keys, tools.kms));
    let kms = tools.kms.then(super::kms::environment).into_iter().flatten();
    environment.extend(kms);
    let network = tools.kms || keys.vault_token.is_some();
    let arguments = words.map(Into::into).into();
    Run { program: SOPS, arguments, environment, stage, network, writes: false, or_not: true }
        .run(tools)
        .await
}

/// What is wrong with a file that could not be decrypted. What sops says of keys is long, and no news.
fn problem(ended: &Ended, format: Format, bytes: &[u8]) -> Problem {
    let complaints = match ended {
        Ended::Badly(complaints) => complaints.as_str(),
        Ended::Well(_) | Ended::NotConfined => "",
    };
    if complaints.contains("MAC mismatch") || complaints.contains("MAC not found") {
        Problem::MacMismatch
    } else if complaints.contains(vault::NOT_ALLOWED) {
        Problem::VaultNotAllowed
    } else if complaints.contains("Failed to get the data key") {
        Problem::DecryptionKeyMissing(recipients(format, bytes))
    } else {
        // It quotes lines that it cannot make use of.
        let lines: Secrets = String::from_utf8_lossy(bytes).lines().collect();
        let why = built::complaint(&lines.redact(complaints));
        Problem::BuildFailed { program: SOPS, why }
    }
}
