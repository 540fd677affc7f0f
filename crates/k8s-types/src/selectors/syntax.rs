//! The grammar of label selectors in query strings: `a=b,c in (d,e),!f,g>1`.

use super::SelectorError;
use super::labels::{Operator, Requirement};
use crate::names::qualified_name;
use crate::status::quote;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token<'a> {
    End,
    Open,
    Close,
    Comma,
    Not,
    Binary(Operator, &'a str),
    Word(&'a str),
}

impl Token<'_> {
    fn text(&self) -> &str {
        match self {
            Self::End => "",
            Self::Open => "(",
            Self::Close => ")",
            Self::Comma => ",",
            Self::Not => "!",
            Self::Binary(_, text) | Self::Word(text) => text,
        }
    }

    /// The word that stands here where no operator can: `in` and `notin` are words then.
    fn as_word(&self) -> Option<&str> {
        match self {
            Self::Word(text) | Self::Binary(Operator::In | Operator::NotIn, text) => Some(text),
            _ => None,
        }
    }
}

fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_special(b: u8) -> bool {
    matches!(b, b'=' | b'!' | b'(' | b')' | b',' | b'>' | b'<')
}

/// The token at the start of `text` and how many bytes it takes.
fn token(text: &str) -> (Token<'_>, usize) {
    let Some(first) = text.bytes().next() else { return (Token::End, 0) };
    if !is_special(first) {
        let end = text.bytes().position(|b| is_special(b) || is_space(b)).unwrap_or(text.len());
        let word = text.get(..end).unwrap_or(text);
        let token = match word {
            "in" => Token::Binary(Operator::In, word),
            "notin" => Token::Binary(Operator::NotIn, word),
            _ => Token::Word(word),
        };
        return (token, end);
    }
    match text.get(..2) {
        Some("==") => return (Token::Binary(Operator::DoubleEquals, "=="), 2),
        Some("!=") => return (Token::Binary(Operator::NotEquals, "!="), 2),
        _ => {}
    }
    let token = match first {
        b'(' => Token::Open,
        b')' => Token::Close,
        b',' => Token::Comma,
        b'!' => Token::Not,
        b'=' => Token::Binary(Operator::Equals, "="),
        b'>' => Token::Binary(Operator::GreaterThan, ">"),
        _ => Token::Binary(Operator::LessThan, "<"),
    };
    (token, 1)
}

fn tokens(mut text: &str) -> Vec<Token<'_>> {
    let mut all = Vec::new();
    loop {
        text = text.trim_start_matches([' ', '\t', '\r', '\n']);
        let (token, length) = token(text);
        text = text.get(length..).unwrap_or_default();
        let last = token == Token::End;
        all.push(token);
        if last {
            return all;
        }
    }
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &Token<'a> {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> &Token<'a> {
        self.at += 1;
        self.tokens.get(self.at - 1).unwrap_or(&Token::End)
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let absent = *self.peek() == Token::Not;
        if absent {
            self.at += 1;
        }
        let token = self.next();
        let Some(key) = token.as_word() else { return Err(found(token, ", expected: identifier")) };
        let key = key.to_owned();
        if let Some(first) = joined(qualified_name(&key)) {
            return Err(SelectorError(format!("<nil>: Invalid value: {}: {first}", quote(&key))));
        }
        if matches!(self.peek(), Token::End | Token::Comma) {
            let operator = if absent { Operator::DoesNotExist } else { Operator::Exists };
            return Requirement::new(&key, operator, Vec::new());
        }
        if absent {
            // Nothing may follow `!key`; the caller says so in its own words.
            return Requirement::new(&key, Operator::DoesNotExist, Vec::new());
        }
        let token = self.next();
        let Token::Binary(operator, _) = *token else {
            return Err(found(token, ", expected: in, notin, =, ==, !=, gt, lt"));
        };
        let values = match operator {
            Operator::In | Operator::NotIn => self.value_set()?,
            _ => vec![self.value()?],
        };
        Requirement::new(&key, operator, values)
    }

    /// `(a,b)`. Nothing between two separators is the empty text.
    fn value_set(&mut self) -> Result<Vec<Box<str>>, SelectorError> {
        let token = self.next();
        if *token != Token::Open {
            return Err(found(token, " expected: '('"));
        }
        let first = self.peek();
        if !matches!(first, Token::Comma | Token::Close) && first.as_word().is_none() {
            return Err(found(first, ", expected: ',', ')' or identifier"));
        }
        let mut values: Vec<Box<str>> = Vec::new();
        loop {
            let token = self.next();
            if let Some(word) = token.as_word() {
                values.push(word.into());
                match self.peek() {
                    Token::Comma => {}
                    Token::Close => break,
                    other => return Err(found(other, ", expected: ',' or ')'")),
                }
            } else if *token == Token::Comma {
                if values.is_empty() {
                    values.push("".into());
                }
                match self.peek() {
                    Token::Close => {
                        values.push("".into());
                        break;
                    }
                    Token::Comma => values.push("".into()),
                    _ => {}
                }
            } else if *token == Token::Close && values.is_empty() {
                return Ok(vec!["".into()]);
            } else {
                return Err(found(token, ", expected: ',', or identifier"));
            }
        }
        self.at += 1;
        Ok(values)
    }

    fn value(&mut self) -> Result<Box<str>, SelectorError> {
        if matches!(self.peek(), Token::End | Token::Comma) {
            return Ok("".into());
        }
        let token = self.next();
        token.as_word().map(Into::into).ok_or_else(|| found(token, ", expected: identifier"))
    }
}

fn found(token: &Token<'_>, expected: &str) -> SelectorError {
    SelectorError(format!("found '{}'{expected}", token.text()))
}

/// Several sentences about one thing as one; `None` if there are none.
pub(super) fn joined(sentences: Vec<String>) -> Option<String> {
    (!sentences.is_empty()).then(|| sentences.join("; "))
}

/// All requirements of `text`, in its order.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    let mut parser = Parser { tokens: tokens(text), at: 0 };
    let mut requirements = Vec::new();
    loop {
        let token = parser.peek();
        if *token == Token::End {
            return Ok(requirements);
        }
        if *token != Token::Not && token.as_word().is_none() {
            return Err(found(token, ", expected: !, identifier, or 'end of string'"));
        }
        let one =
            parser.requirement().map_err(|error| SelectorError(format!("unable to parse requirement: {error}")))?;
        requirements.push(one);
        match parser.next() {
            Token::End => return Ok(requirements),
            Token::Comma => {
                let after = parser.peek();
                if *after != Token::Not && after.as_word().is_none() {
                    return Err(found(after, ", expected: identifier after ','"));
                }
            }
            other => return Err(found(other, ", expected: ',' or 'end of string'")),
        }
    }
}
