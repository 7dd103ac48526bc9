//! The steps of an entry, one a line.
//!
//! | Step | Does |
//! |---|---|
//! | `open http\|https\|tunnel` | a new connection; earlier ones stay open |
//! | `tls NAME [h2]` | TLS on the connection with this server name; `tls -` sends none |
//! | `hello NAME` | a hand-made client hello with any bytes as server name |
//! | `send BYTES` | sends |
//! | `flood N BYTES` | sends N times, or until the other side closes |
//! | `fin` | closes the sending half |
//! | `expect STATUS[,…]` | reads one response, which has this status |
//! | `refused` | reads: a status of 400 or more, or the end of the connection |
//! | `any` | reads: a response, or the end |
//! | `closed` | reads: the end, and nothing before it |
//! | `bytes BYTES` | reads exactly these |
//! | `closed-or BYTES` | reads: the end, or exactly these |
//! | `has TEXT`, `lacks TEXT` | about the last response, head and decoded content; what never came lacks everything |
//! | `h2 NAME=VALUE …` | an HTTP/2 request with these fields, ended |
//! | `h2raw BYTES` | bytes after the HTTP/2 preface |
//! | `h2expect STATUS[,…]`, `h2refused`, `h2any` | the answer to the newest stream |

/// One step; texts are still to be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// `open`
    Open(Listener),
    /// `tls`
    Tls {
        /// Server name; `None` sends none.
        name: Option<String>,
        /// Offer h2 instead of nothing.
        h2: bool,
    },
    /// `hello`
    Hello(String),
    /// `send`
    Send(String),
    /// `flood`
    Flood(usize, String),
    /// `fin`
    Fin,
    /// `expect`
    Expect(Vec<u16>),
    /// `refused`
    Refused,
    /// `any`
    Any,
    /// `closed`
    Closed,
    /// `bytes`
    Bytes(String),
    /// `closed-or`
    ClosedOr(String),
    /// `has`
    Has(String),
    /// `lacks`
    Lacks(String),
    /// `h2`
    H2(Vec<(String, String)>),
    /// `h2raw`
    H2Raw(String),
    /// `h2expect`
    H2Expect(Vec<u16>),
    /// `h2refused`
    H2Refused,
    /// `h2any`
    H2Any,
}

/// Which of the proxy's listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listener {
    /// `proxy.http_listen`
    Http,
    /// `proxy.https_listen`
    Https,
    /// `proxy.tunnel_listen`
    Tunnel,
}

impl Listener {
    /// As in scripts and start lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tunnel => "tunnel",
        }
    }
}

/// Parses the steps of an entry.
///
/// # Errors
/// The line that is no step.
pub fn parse(text: &str) -> Result<Vec<Step>, String> {
    text.lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| step(line).ok_or_else(|| format!("no such step: {line}")))
        .collect()
}

fn step(line: &str) -> Option<Step> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let text = rest.to_owned();
    Some(match verb {
        "open" => Step::Open(match rest {
            "http" => Listener::Http,
            "https" => Listener::Https,
            "tunnel" => Listener::Tunnel,
            _ => return None,
        }),
        "tls" => {
            let (name, h2) = rest.strip_suffix(" h2").map_or((rest, false), |name| (name, true));
            if name.is_empty() {
                return None;
            }
            Step::Tls { name: (name != "-").then(|| name.to_owned()), h2 }
        }
        "hello" => Step::Hello(text),
        "send" if !rest.is_empty() => Step::Send(text),
        "flood" => {
            let (count, bytes) = rest.split_once(' ')?;
            Step::Flood(count.parse().ok()?, bytes.to_owned())
        }
        "fin" => Step::Fin,
        "expect" => Step::Expect(statuses(rest)?),
        "refused" => Step::Refused,
        "any" => Step::Any,
        "closed" => Step::Closed,
        "bytes" => Step::Bytes(text),
        "closed-or" => Step::ClosedOr(text),
        "has" => Step::Has(text),
        "lacks" => Step::Lacks(text),
        "h2" => Step::H2(
            rest.split(' ')
                .map(|field| {
                    // A pseudo-field has no `=` in its name, a value may.
                    field.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
                })
                .collect::<Option<_>>()?,
        ),
        "h2raw" => Step::H2Raw(text),
        "h2expect" => Step::H2Expect(statuses(rest)?),
        "h2refused" => Step::H2Refused,
        "h2any" => Step::H2Any,
        _ => return None,
    })
}

fn statuses(text: &str) -> Option<Vec<u16>> {
    text.split(',').map(|status| status.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Listener, Step, parse};

    #[test]
    fn steps_are_read_and_other_lines_are_errors() {
        let steps =
            parse("open tunnel\n  # a remark\nsend a b \\r\\n\ntls - h2\nexpect 200,403\nh2 :path=/?a=b")
                .expect("valid");
        assert_eq!(
            steps,
            [
                Step::Open(Listener::Tunnel),
                Step::Send("a b \\r\\n".to_owned()),
                Step::Tls { name: None, h2: true },
                Step::Expect(vec![200, 403]),
                Step::H2(vec![(":path".to_owned(), "/?a=b".to_owned())]),
            ]
        );
        for wrong in ["open ftp", "expect two", "jump", "flood x y", "tls", "send"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
