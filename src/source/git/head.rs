//! What is told of a commit. People wrote it: it is text, one line of bounded length, and nothing more.

use crate::render::text::is_plain;
use crate::source::head::Head;

/// Characters of an author's name or of a subject.
const LINE: usize = 200;

/// What is told of this commit.
pub fn head(commit: &git2::Commit<'_>) -> Head {
    Head {
        commit: commit.id().to_string(),
        tree: commit.tree_id().to_string(),
        time: commit.time().seconds(),
        author: author(commit.author().name_bytes()),
        subject: line(commit.summary_bytes().unwrap_or_default()),
        ..Head::default()
    }
}

/// A person's name. Where it is an e-mail address it ends before the @.
fn author(name: &[u8]) -> String {
    let name = line(name);
    let name = name.split('<').next().unwrap_or_default();
    let words = name.split(' ').map(|word| word.split('@').next().unwrap_or_default());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A text without what moves a cursor or turns the order of letters around.
fn line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let plain = text.chars().map(|c| if is_plain(c) { c } else { ' ' });
    plain.collect::<String>().trim().chars().take(LINE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_has_a_name_and_no_address() {
        let check =
            |name: &str, expect: &str| assert_eq!(author(name.as_bytes()), expect, "{name}");
        check("Ada Lovelace", "Ada Lovelace");
        check("ada@example.com", "ada");
        check("Ada ada@example.com", "Ada ada");
        check("@ada", "");
        check("Ada <ada", "Ada");
        check("", "");
        check("Ada\u{1b}[2J\r\nINFO Synced", "Ada [2J INFO Synced");
        check("\u{202e}adA\u{2066}", "adA");
        check(&"ü".repeat(1000), &"ü".repeat(LINE));
        assert_eq!(author(b"A\xff"), "A\u{fffd}");
    }

    #[test]
    fn a_commit_is_told_by_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let repository = git2::Repository::init_bare(folder.path()).unwrap();
        let tree = repository.treebuilder(None).unwrap().write().unwrap();
        let check = |author: &str, message: &str, expect: (&str, &str)| {
            let text = format!(
                "tree {tree}\nauthor {author} 100 +0000\ncommitter C <c@example.com> 200 +0000\n\n{message}"
            );
            let odb = repository.odb().unwrap();
            let id = odb.write(git2::ObjectType::Commit, text.as_bytes()).unwrap();
            let head = head(&repository.find_commit(id).unwrap());
            let Head { commit, tree: root, time, author, subject, .. } = head;
            assert_eq!((commit, root, time), (id.to_string(), tree.to_string(), 200));
            assert_eq!((author.as_str(), subject.as_str()), expect, "{text}");
        };
        check("Ada <ada@example.com>", "Scale the web\n\nBody", ("Ada", "Scale the web"));
        check("Ada <ada@example.com>", "", ("Ada", ""));
        check("<ada@example.com>", "A\tb\x07\n", ("", "A b"));
        check("Ada <a@b> <c@d>", "x", ("Ada", "x"));
    }
}
