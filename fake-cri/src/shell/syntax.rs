//! From script text to a syntax tree, with ash's wording when it cannot be done.

use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
};

use brush_parser::{
    ParseError, ParserOptions, SourcePosition, Token, TokenizerError, ast::Program, parse_tokens,
    uncached_tokenize_str, word::WordPieceWithSource,
};

use super::SCRIPT_LIMIT;

/// Deepest nesting of brackets and compound commands that is parsed: the parser recurses.
const NESTING_LIMIT: usize = 200;

/// Deepest nesting of round brackets, and of two in a row. What follows may be arithmetic or subshells: the parser tries both at every
/// level, and where they do not end its work doubles with each.
const BRACKET_LIMIT: usize = 16;
const DOUBLE_BRACKET_LIMIT: usize = 10;

/// Deepest nesting of expansions in a word: the parser's work doubles with each that does not end, too.
const EXPANSION_LIMIT: usize = 12;

/// How scripts are read: as ash, with what it took over from bash: `[[`, `${x:1}`, `${x/a/b}`, `$'…'`.
pub(super) fn options() -> ParserOptions {
    ParserOptions { sh_mode: false, posix_mode: true, enable_extended_globbing: false, ..ParserOptions::default() }
}

/// Parses a script.
pub(super) fn parse(script: &str) -> Result<Program, String> {
    if script.len() > SCRIPT_LIMIT {
        return Err("syntax error: script too long".to_owned());
    }
    let (brackets, double) = open_brackets(script);
    if nesting(script) > NESTING_LIMIT || brackets > BRACKET_LIMIT || double > DOUBLE_BRACKET_LIMIT {
        return Err("syntax error: nested too deeply".to_owned());
    }
    let ended = ended(script);
    let tokens = guarded(|| {
        uncached_tokenize_str(&ended, &options().tokenizer_options()).map_err(|error| match error {
            TokenizerError::UnterminatedCommandSubstitution => {
                "syntax error: unexpected end of file (expecting \")\")".to_owned()
            }
            _ => "syntax error: unterminated quoted string".to_owned(),
        })
    })?;
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    for pair in tokens.windows(2) {
        if let [Token::Word(number, _), Token::Operator(operator, _)] = pair
            && is_number(number)
            && operator.starts_with(['<', '>'])
            && number.parse::<i32>().is_err()
        {
            return Err(format!("syntax error: {number}: bad file descriptor"));
        }
    }
    let tokens = with_empty_lists(tokens);
    guarded(|| {
        parse_tokens(&tokens, &options()).map_err(|error| match error {
            ParseError::ParsingNear(at) => format!("syntax error: unexpected {}", word_at(script, &at)),
            _ => "syntax error: unexpected end of file".to_owned(),
        })
    })
}

/// A script in which a here-document begins, with ends of lines after it: where the text ends on the line of an empty end word
/// (`<<"" x`, or what is left of a broken `<<$(`), the tokenizer takes tokens for ever, until the memory of the host is gone. A backslash
/// at the end takes the first of the two.
fn ended(script: &str) -> Cow<'_, str> {
    if script.contains("<<") { format!("{script}\n\n").into() } else { script.into() }
}

/// Writes `for x in; do` with a word that expands to nothing: the parser takes an empty list for none, which means the parameters.
fn with_empty_lists(tokens: Vec<Token>) -> Vec<Token> {
    let mut whole: Vec<Token> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let before = |n: usize| whole.len().checked_sub(n).and_then(|at| whole.get(at)).map(Token::to_str);
        if before(3) == Some("for")
            && before(1) == Some("in")
            && let Token::Operator(operator, at) = &token
            && matches!(operator.as_str(), ";" | "\n")
        {
            whole.push(Token::Word("${_+}".to_owned(), at.clone()));
        }
        whole.push(token);
    }
    whole
}

/// Runs the parser where its panic is a syntax error: it panics on some numbers that do not fit, and what a container runs must never
/// end the runtime.
pub(super) fn guarded<T>(parse: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(parse)).unwrap_or_else(|_| Err("syntax error: number out of range".to_owned()))
}

/// Whether more text could make sense of a script that [`parse`] refused so.
pub(super) fn is_unfinished(error: &str) -> bool {
    error.ends_with("unterminated quoted string") || error.contains("unexpected end of file")
}

/// The word that stands at a place of the script, quoted.
fn word_at(script: &str, at: &SourcePosition) -> String {
    let rest: String = script.chars().skip(at.index).take(64).collect();
    let rest = rest.trim_start_matches([' ', '\t']);
    let end = match rest.find(|c: char| c.is_whitespace() || "();&|<>".contains(c)) {
        Some(0) => {
            let operators = ["&&", "||", ";;", "<<", ">>"];
            let double = operators.iter().any(|operator| rest.starts_with(operator));
            if double { 2 } else { rest.chars().next().map_or(0, char::len_utf8) }
        }
        Some(end) => end,
        None => rest.len(),
    };
    match &rest[..end] {
        "" | "\n" => "newline".to_owned(),
        word => format!("\"{word}\""),
    }
}

/// An upper bound of how deep brackets and compound commands nest.
fn nesting(script: &str) -> usize {
    let brackets = script.bytes().filter(|b| matches!(b, b'(' | b'{' | b'`')).count();
    let words =
        script.split_whitespace().filter(|w| matches!(*w, "if" | "while" | "until" | "for" | "case" | "!")).count();
    brackets.max(words)
}

/// How many `(`, and how many `((`, are open at a time outside of quotes; three in a row are two of the latter. What is quoted is parsed
/// by itself.
fn open_brackets(script: &str) -> (usize, usize) {
    let (mut open, mut doubled, mut most) = (Vec::new(), 0, (0, 0));
    let (mut quote, mut before) = (None, 0);
    let mut bytes = script.bytes();
    while let Some(byte) = bytes.next() {
        match (byte, quote) {
            (b'\\', None | Some(b'"')) => drop(bytes.next()),
            (b'\'' | b'"', None) => quote = Some(byte),
            (_, Some(end)) if end == byte => quote = None,
            (b'(', None) => {
                open.push(before == b'(');
                doubled += usize::from(before == b'(');
                most = (open.len().max(most.0), doubled.max(most.1));
            }
            (b')', None) => doubled -= usize::from(open.pop() == Some(true)),
            _ => {}
        }
        before = byte;
    }
    most
}

/// Refuses a word in which more expansions are open at a time than anybody writes.
fn not_too_deep(text: &str) -> Result<(), String> {
    let (mut open, mut before) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'{' | b'(' if before == b'$' => open += 1,
            b'}' | b')' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > EXPANSION_LIMIT {
            return Err("syntax error: nested too deeply".to_owned());
        }
        before = byte;
    }
    Ok(())
}

/// Takes a word apart.
pub(super) fn word(text: &str) -> Result<Vec<WordPieceWithSource>, String> {
    not_too_deep(text)?;
    guarded(|| brush_parser::word::parse(text, &options()).map_err(|_| "syntax error: bad substitution".to_owned()))
}

/// Takes the body of a here-document apart.
pub(super) fn here_document(text: &str) -> Result<Vec<WordPieceWithSource>, String> {
    not_too_deep(text)?;
    guarded(|| {
        brush_parser::word::parse_heredoc(text, &options()).map_err(|_| "syntax error: bad substitution".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", (0, 0))]
    #[case("(a); (b; (c))", (2, 0))]
    #[case("((i++)); ((j++)); echo $((1+(2)))", (3, 1))]
    #[case("(((1+2)*3))", (3, 2))]
    #[case("((((1", (4, 3))]
    #[case("( ( ( a", (3, 0))]
    #[case("((a; ((b; ((c", (6, 3))]
    #[case(r#"echo '((((' "((((" \(\(\(\( "\"((((""#, (0, 0))]
    #[case("))((", (2, 1))]
    fn brackets_are_counted_where_they_are_open(#[case] script: &str, #[case] open: (usize, usize)) {
        assert_eq!(open_brackets(script), open);
    }
}
