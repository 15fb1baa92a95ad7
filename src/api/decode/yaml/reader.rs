//! What Go's YAML reader refuses before it looks at any syntax: bytes that are no UTF-8, and characters that are no text.

/// The reader takes the text in blocks of so many bytes.
const BLOCK: usize = 512;

/// What is wrong with the bytes in the words of Go's reader, as far as it reads when the first document ends at `end`.
pub(super) fn complaint(bytes: &[u8], end: usize) -> Option<&'static str> {
    // Other encodings have marks of their own.
    if bytes.starts_with(&[0xfe, 0xff]) || bytes.starts_with(&[0xff, 0xfe]) {
        return None;
    }
    // The end shows in a marker and a blank behind it.
    let read = (end + 4).next_multiple_of(BLOCK).min(bytes.len());
    let mut at = 0;
    while at < read {
        let rest = bytes.get(at..)?;
        // Plain ASCII is most of all text.
        let width = match rest.first()? {
            b'\t' | b'\n' | b'\r' | b' '..=b'~' => 1,
            0..0x80 => return Some("control characters are not allowed"),
            0xc0..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0..0xf8 => 4,
            _ => return Some("invalid leading UTF-8 octet"),
        };
        if width > 1
            && let Some(why) = wide(rest, width)
        {
            return Some(why);
        }
        at += width;
    }
    None
}

/// What is wrong with a character of several bytes.
fn wide(rest: &[u8], width: usize) -> Option<&'static str> {
    let Some(bytes) = rest.get(..width) else { return Some("incomplete UTF-8 octet sequence") };
    let mut code = u32::from(bytes[0]) & (0xff >> (width + 1));
    for byte in &bytes[1..] {
        if byte & 0xc0 != 0x80 {
            return Some("invalid trailing UTF-8 octet");
        }
        code = code << 6 | u32::from(byte & 0x3f);
    }
    let shortest = [0x80, 0x800, 0x1_0000][width - 2];
    match code {
        _ if code < shortest => Some("invalid length of a UTF-8 sequence"),
        0xd800..0xe000 | 0x11_0000.. => Some("invalid Unicode character"),
        0x85 | 0xa0..0xd800 | 0xe000..0xfffe | 0x1_0000.. => None,
        _ => Some("control characters are not allowed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(b"a: \xff", "invalid leading UTF-8 octet")]
    #[case(b"a: \xf8\x88\x80\x80\x80", "invalid leading UTF-8 octet")]
    #[case(b"a: \xc3(", "invalid trailing UTF-8 octet")]
    #[case(b"a: \xe2\x82", "incomplete UTF-8 octet sequence")]
    #[case(b"a: \xc0\x80", "invalid length of a UTF-8 sequence")]
    #[case(b"a: \xed\xa0\x80", "invalid Unicode character")]
    #[case(b"a: \x07", "control characters are not allowed")]
    #[case(b"a: \x7f", "control characters are not allowed")]
    #[case(b"a: \xc2\x80", "control characters are not allowed")]
    #[case(b"a: \xef\xbf\xbe", "control characters are not allowed")]
    fn what_is_no_text_is_refused(#[case] bytes: &[u8], #[case] why: &str) {
        assert_eq!(complaint(bytes, bytes.len()), Some(why));
    }

    #[test]
    fn text_passes_and_what_is_not_read_does_too() {
        let text = "\u{feff}a: é \u{85} \u{2028} 😀\t\r\n".as_bytes();
        assert_eq!(complaint(text, text.len()), None);
        let mut long = vec![b'#'; 2000];
        long.push(7);
        assert_eq!(complaint(&long, 1000), None);
        assert_eq!(complaint(&long, 1990), Some("control characters are not allowed"));
    }
}
