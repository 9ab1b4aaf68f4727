//! The file `.gitmodules`, in the syntax of git's configuration.
//!
//! libgit2 reads that syntax as well, but only from files, and follows `include` to any other file of the machine.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// A name, its path and its URL.
type Declared = BTreeMap<String, BTreeMap<&'static str, String>>;

/// A line that is none of git's configuration, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLine(pub usize);

/// The URLs of submodules by their paths, as far as the file gives both.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, BadLine> {
    let mut reader =
        Reader { rest: text.trim_start_matches('\u{feff}').chars().peekable(), line: 1 };
    let mut declared = Declared::new();
    let mut section = None;
    while let Some(next) = reader.next_token() {
        if next == '[' {
            reader.rest.next();
            section = reader.section()?;
        } else {
            let (key, value) = reader.variable()?;
            let key = ["path", "url"].into_iter().find(|known| key.eq_ignore_ascii_case(known));
            if let (Some(name), Some(key)) = (&section, key) {
                declared.entry(String::clone(name)).or_default().insert(key, value);
            }
        }
    }
    let whole = |mut keys: BTreeMap<_, _>| Some((keys.remove("path")?, keys.remove("url")?));
    Ok(declared.into_values().filter_map(whole).collect())
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        self.line += usize::from(next == '\n');
        Some(next)
    }

    fn bad<T>(&self) -> Result<T, BadLine> {
        Err(BadLine(self.line))
    }

    /// Passes over blanks and comments.
    fn next_token(&mut self) -> Option<char> {
        loop {
            match *self.rest.peek()? {
                '#' | ';' => self.comment(),
                blank if blank.is_whitespace() => drop(self.next()),
                other => return Some(other),
            }
        }
    }

    fn comment(&mut self) {
        while self.rest.next_if(|c| *c != '\n').is_some() {}
    }

    /// The name of `submodule "name"]`; `None` for any other section.
    fn section(&mut self) -> Result<Option<String>, BadLine> {
        let mut kind = String::new();
        while let Some(c) = self.rest.next_if(|c| c.is_ascii_alphanumeric() || "-.".contains(*c)) {
            kind.push(c);
        }
        while self.rest.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        let name = match self.next() {
            Some(']') => None,
            Some('"') => Some(self.name()?),
            _ => return self.bad(),
        };
        Ok(name.filter(|_| kind.eq_ignore_ascii_case("submodule")))
    }

    /// The rest of `name"]`.
    fn name(&mut self) -> Result<String, BadLine> {
        let mut name = String::new();
        loop {
            match self.rest.next() {
                Some('"') if self.rest.next() == Some(']') => return Ok(name),
                Some('\\') => match self.rest.next() {
                    Some(c) if c != '\n' => name.push(c),
                    _ => return self.bad(),
                },
                Some('"' | '\n') | None => return self.bad(),
                Some(c) => name.push(c),
            }
        }
    }

    /// A key, and its value, which is empty where there is none.
    fn variable(&mut self) -> Result<(String, String), BadLine> {
        let mut key = String::new();
        while let Some(c) = self.rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '-') {
            key.push(c);
        }
        while self.rest.next_if(|c| matches!(c, ' ' | '\t' | '\r')).is_some() {}
        match self.rest.peek() {
            _ if key.is_empty() => self.bad(),
            None | Some('\n' | '#' | ';') => Ok((key, String::new())),
            Some('=') => {
                self.rest.next();
                Ok((key, self.value()?))
            }
            Some(_) => self.bad(),
        }
    }

    /// A value to the end of its line, without blanks around it that are not quoted.
    fn value(&mut self) -> Result<String, BadLine> {
        let (mut value, mut end, mut is_quoted) = (String::new(), 0, false);
        loop {
            match self.rest.peek().copied() {
                None | Some('\n') if is_quoted => return self.bad(),
                None | Some('\n') => break,
                Some('#' | ';') if !is_quoted => {
                    self.comment();
                    break;
                }
                _ => {}
            }
            match self.rest.next() {
                Some('"') => {
                    is_quoted = !is_quoted;
                    end = value.len();
                }
                Some('\\') => {
                    value.extend(self.escaped()?);
                    end = value.len();
                }
                Some(c) if c.is_whitespace() && !is_quoted => {
                    value.extend(Some(c).filter(|_| !value.is_empty()));
                }
                Some(c) => {
                    value.push(c);
                    end = value.len();
                }
                None => break,
            }
        }
        value.truncate(end);
        Ok(value)
    }

    /// What stands for a character, or joins the next line to this one.
    fn escaped(&mut self) -> Result<Option<char>, BadLine> {
        let _ = self.rest.next_if_eq(&'\r');
        Ok(match self.next() {
            Some('\n') => None,
            Some(c @ ('"' | '\\')) => Some(c),
            Some('n') => Some('\n'),
            Some('t') => Some('\t'),
            Some('b') => Some('\u{8}'),
            _ => return self.bad(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_git_reads_it() {
        let check = |text: &str, expect: Result<&[(&str, &str)], usize>| {
            let found = parse(text).map_err(|BadLine(line)| line);
            let pair = |(path, url): &(&str, &str)| ((*path).to_owned(), (*url).to_owned());
            assert_eq!(found, expect.map(|all| all.iter().map(pair).collect()), "{text}");
        };
        let usual = "[submodule \"libs/base\"]\n\tpath = libs/base\n\turl = ../base.git\n";
        check(usual, Ok(&[("libs/base", "../base.git")]));
        check(&usual.replace('\n', "\r\n"), Ok(&[("libs/base", "../base.git")]));
        check(
            &format!("\u{feff}# x\n; y\n{usual}[core]\n\tpath = x\n"),
            Ok(&[("libs/base", "../base.git")]),
        );
        check(
            "[Submodule \"a\"] PATH=a\nurl=b # c\nbranch = main\nshallow\n[submodule \"c\"]\npath = c\nurl=d",
            Ok(&[("a", "b"), ("c", "d")]),
        );
        check(
            "[submodule \"a \\\"b\\\\\"]\npath = \" a \"b \nurl = \"x#;\\ty\" ; c",
            Ok(&[(" a b", "x#;\ty")]),
        );
        check("[submodule \"a\"]\npath = a \\\n b\nurl = c\\\nd\n", Ok(&[("a  b", "cd")]));
        check("[submodule \"a\"]\npath = a\nurl = b\nurl = c\n", Ok(&[("a", "c")]));
        check("[submodule \"a\"]\npath = a\n[submodule \"b\"]\nurl = b\n", Ok(&[]));
        check("", Ok(&[]));
        // An include leads nowhere.
        check(
            &format!("[include]\n\tpath = /etc/passwd\n{usual}"),
            Ok(&[("libs/base", "../base.git")]),
        );
        check("[submodule \"a\"\npath = a", Err(1));
        check("[submodule \"a\n\"]", Err(1));
        check("x\n= y", Err(2));
        check("\n\n[submodule \"a\"]\npath = \"a\n", Err(4));
        check("path = a\\x\n", Err(1));
        check("<html>", Err(1));
    }
}
