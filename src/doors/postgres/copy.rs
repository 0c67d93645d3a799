//! `COPY (query) TO STDOUT`, by which connectorx, polars and ADBC fetch what they ask for.

use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::stream;
use pgwire::api::portal::Format;
use pgwire::api::results::{CopyCsvOptions, CopyEncoder, CopyResponse, CopyTextOptions};
use pgwire::error::PgWireResult;
use pgwire::messages::copy::CopyData;

use super::cells::encode_row;
use super::rows::{fields, plain_batch};

/// A query that is to be copied, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Copy {
    /// The query.
    pub(super) text: String,
    form: Form,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Text,
    Csv { has_header: bool },
    Binary,
}

impl Copy {
    /// Reads a statement; `None` if it copies nothing to the client.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches(';').trim_end();
        let rest = text.get(4..).filter(|_| text[..4].eq_ignore_ascii_case("copy"))?;
        let rest = rest.trim_start().strip_prefix('(')?;
        let end = closing(rest)?;
        let (query, rest) = (rest[..end].trim(), rest[end + 1..].to_ascii_lowercase());
        let plain: String =
            rest.chars().map(|c| if "(),=".contains(c) { ' ' } else { c }).collect();
        let words: Vec<&str> = plain.split_whitespace().collect();
        let ["to", "stdout", options @ ..] = words.as_slice() else { return None };
        let options: Vec<&str> =
            options.iter().copied().filter(|word| !["with", "format"].contains(word)).collect();
        let form = match options.as_slice() {
            [] | ["text"] => Form::Text,
            ["binary"] => Form::Binary,
            ["csv"] => Form::Csv { has_header: false },
            ["csv", "header"] | ["csv", "header", "true"] => Form::Csv { has_header: true },
            _ => return None,
        };
        Some(Self { text: query.to_owned(), form })
    }

    /// The rows, in the form that was asked for.
    ///
    /// # Errors
    /// A column that has no such form.
    pub(super) fn response(&self, batch: &RecordBatch) -> PgWireResult<CopyResponse> {
        let batch = plain_batch(batch)?;
        let (schema, columns) = (batch.schema(), batch.num_columns());
        let format = match self.form {
            Form::Binary => Format::UnifiedBinary,
            _ => Format::UnifiedText,
        };
        let fields = Arc::new(fields(&schema, &format)?);
        let mut encoder = match self.form {
            Form::Binary => CopyEncoder::new_binary(Arc::clone(&fields)),
            Form::Text => CopyEncoder::new_text(Arc::clone(&fields), CopyTextOptions::default()),
            Form::Csv { .. } => {
                CopyEncoder::new_csv(Arc::clone(&fields), CopyCsvOptions::default())
            }
        };
        let mut parts = Vec::with_capacity(batch.num_rows() + 1);
        match self.form {
            Form::Csv { has_header: true } => parts.push(Ok(header(&schema))),
            // The encoder begins with the first row, and there is none.
            Form::Binary if batch.num_rows() == 0 => {
                parts.push(Ok(CopyData::new(Bytes::from_static(SIGNATURE))));
            }
            _ => {}
        }
        for row in 0..batch.num_rows() {
            parts.push(Ok(encode_row(&mut encoder, &batch, row, &fields)?));
        }
        let code = i8::from(self.form == Form::Binary);
        Ok(CopyResponse::new(code, columns, stream::iter(parts)))
    }
}

fn header(schema: &arrow::datatypes::Schema) -> CopyData {
    let names = schema.fields().iter().map(|field| match field.name() {
        name if name.contains([',', '"', '\n']) => format!("\"{}\"", name.replace('"', "\"\"")),
        name => name.clone(),
    });
    CopyData::new(Bytes::from(names.collect::<Vec<_>>().join(",") + "\n"))
}

/// Where the parenthesis ends that is open already, past quotes and comments.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some('\n'), '\n') => quote = None,
            (Some('*'), '*') if chars.peek().is_some_and(|(_, next)| *next == '/') => {
                chars.next();
                quote = None;
            }
            (Some(open), _) if open == c && open != '*' => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '-') if chars.peek().is_some_and(|(_, next)| *next == '-') => quote = Some('\n'),
            (None, '/') if chars.peek().is_some_and(|(_, next)| *next == '*') => {
                chars.next();
                quote = Some('*');
            }
            (None, '(') => depth += 1,
            (None, ')') if depth == 0 => return Some(at),
            (None, ')') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

/// How a copy in binary form begins.
const SIGNATURE: &[u8] = b"PGCOPY\n\xFF\r\n\0\0\0\0\0\0\0\0\0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_is_read() {
        let read = |text: &str| Copy::read(text).map(|copy| (copy.text, copy.form));
        let query = "SELECT COUNT(*) FROM person WHERE a = ')' -- )";
        let own = |form| Some((query.to_owned(), form));
        for (text, form) in [
            (format!("COPY ({query}\n) TO STDOUT WITH BINARY"), Form::Binary),
            (format!("COPY ({query}\n) TO STDOUT (FORMAT binary)"), Form::Binary),
            (format!("copy  ( {query}\n ) to stdout "), Form::Text),
            (format!("COPY ({query}\n) TO STDOUT WITH CSV"), Form::Csv { has_header: false }),
            (
                format!("COPY ({query}\n) TO STDOUT WITH (FORMAT csv, HEADER);"),
                Form::Csv { has_header: true },
            ),
        ] {
            assert_eq!(read(&text), own(form), "{text}");
        }
        for text in [
            "COPY person TO STDOUT",
            "COPY (SELECT 1) TO '/tmp/x'",
            "COPY (SELECT 1) TO PROGRAM 'rm'",
            "COPY (SELECT 1 TO STDOUT",
            "COPY (SELECT 1) FROM STDIN",
            "SELECT 1",
            "é",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
