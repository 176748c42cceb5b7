//! Terminal output as text with a fixed set of styles: what a check printed, made safe to show.
//!
//! Understands colours and styles ([ECMA-48](https://ecma-international.org/publications-and-standards/standards/ecma-48/)
//! SGR), carriage returns, backspaces and "erase in line", because progress bars use them. Everything else that is not text
//! (cursor moves, window titles, hyperlinks) is dropped. The result is plain characters; nothing in it is markup.

use crate::page::text::is_bidi_control;

/// A parsed output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// Its last lines.
    pub lines: Vec<Line>,
    /// How many lines before those were left out.
    pub dropped: usize,
}

/// One line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// Runs of characters of one style.
    pub spans: Vec<Span>,
}

/// Characters of one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Names of CSS classes out of a closed list, separated by spaces; empty for plain text.
    pub class: String,
    /// The characters.
    pub text: String,
}

/// How a character looks. Colours are the sixteen that terminals name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Style {
    foreground: Option<u8>,
    background: Option<u8>,
    is_bold: bool,
    is_dim: bool,
    is_italic: bool,
    is_underlined: bool,
    is_struck: bool,
    is_inverse: bool,
}

impl Style {
    fn class(self) -> String {
        let (foreground, background) =
            if self.is_inverse { (self.background, self.foreground) } else { (self.foreground, self.background) };
        let mut names = Vec::new();
        if let Some(color) = foreground {
            names.push(format!("f{color}"));
        }
        if let Some(color) = background {
            names.push(format!("g{color}"));
        }
        let flags = [
            (self.is_bold, "bold"),
            (self.is_dim, "dim"),
            (self.is_italic, "italic"),
            (self.is_underlined, "underline"),
            (self.is_struck, "strike"),
            (self.is_inverse && foreground.is_none() && background.is_none(), "inverse"),
        ];
        names.extend(flags.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| (*name).to_owned()));
        names.join(" ")
    }
}

/// Parses an output and keeps its last `limit` lines.
#[must_use]
pub fn parse(text: &str, limit: usize) -> Parsed {
    let mut screen = Screen::default();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\n' => screen.new_line(),
            '\r' => screen.column = 0,
            '\u{8}' => screen.column = screen.column.saturating_sub(1),
            '\t' => screen.put('\t'),
            '\u{1b}' => screen.escape(&mut rest),
            control if control.is_control() => {}
            hidden if is_bidi_control(hidden) => screen.put('\u{fffd}'),
            plain => screen.put(plain),
        }
    }
    let mut lines = screen.finish();
    let dropped = lines.len().saturating_sub(limit);
    lines.drain(..dropped);
    Parsed { lines, dropped }
}

#[derive(Default)]
struct Screen {
    lines: Vec<Line>,
    row: Vec<(char, Style)>,
    column: usize,
    style: Style,
}

impl Screen {
    fn put(&mut self, character: char) {
        let cell = (character, self.style);
        match self.row.get_mut(self.column) {
            Some(slot) => *slot = cell,
            None => self.row.push(cell),
        }
        self.column += 1;
    }

    fn new_line(&mut self) {
        let row = std::mem::take(&mut self.row);
        self.lines.push(line(&row));
        self.column = 0;
    }

    fn finish(mut self) -> Vec<Line> {
        if !self.row.is_empty() {
            self.new_line();
        }
        self.lines
    }

    /// Reads the rest of an escape sequence; an unfinished one at the end is dropped.
    fn escape(&mut self, rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
        match rest.next() {
            Some('[') => {
                let mut parameters = String::new();
                for character in rest.by_ref() {
                    match character {
                        '\u{40}'..='\u{7e}' => {
                            self.control(character, &parameters);
                            return;
                        }
                        '\u{20}'..='\u{3f}' if parameters.len() < 64 => parameters.push(character),
                        '\u{20}'..='\u{3f}' => {}
                        // A broken sequence ends where its line does, so that it cannot swallow the output.
                        '\n' => {
                            self.new_line();
                            return;
                        }
                        _ => return,
                    }
                }
            }
            // Strings (OSC, DCS, SOS, PM, APC) end at BEL or ESC \, at the latest with their line.
            Some(']' | 'P' | 'X' | '^' | '_') => {
                while let Some(character) = rest.next() {
                    match character {
                        '\u{7}' => return,
                        '\u{1b}' => {
                            if rest.peek() == Some(&'\\') {
                                rest.next();
                            }
                            return;
                        }
                        '\n' => {
                            self.new_line();
                            return;
                        }
                        _ => {}
                    }
                }
            }
            // Character set selection has one more character.
            Some('(' | ')' | '*' | '+' | '#' | '%' | ' ') => {
                rest.next_if(|character| *character != '\n');
            }
            Some('\n') => self.new_line(),
            Some(_) | None => {}
        }
    }

    fn control(&mut self, command: char, parameters: &str) {
        match command {
            'm' => self.select(parameters),
            'K' => match parameters {
                "" | "0" => self.row.truncate(self.column),
                "1" => {
                    let end = self.column.min(self.row.len());
                    self.row[..end].fill((' ', Style::default()));
                }
                "2" => {
                    self.row.clear();
                    self.column = 0;
                }
                _ => {}
            },
            'G' => self.column = parameters.parse::<usize>().unwrap_or(1).saturating_sub(1).min(self.row.len()),
            _ => {}
        }
    }

    /// "Select graphic rendition".
    fn select(&mut self, parameters: &str) {
        let mut codes = parameters.split([';', ':']).map(|code| if code.is_empty() { Some(0) } else { code.parse::<u16>().ok() });
        while let Some(code) = codes.next() {
            let Some(code) = code else { continue };
            let style = &mut self.style;
            match code {
                0 => *style = Style::default(),
                1 => style.is_bold = true,
                2 => style.is_dim = true,
                3 => style.is_italic = true,
                4 => style.is_underlined = true,
                7 => style.is_inverse = true,
                9 => style.is_struck = true,
                22 => (style.is_bold, style.is_dim) = (false, false),
                23 => style.is_italic = false,
                24 => style.is_underlined = false,
                27 => style.is_inverse = false,
                29 => style.is_struck = false,
                30..=37 => style.foreground = narrow(code - 30),
                38 => style.foreground = extended(&mut codes).or(style.foreground),
                39 => style.foreground = None,
                40..=47 => style.background = narrow(code - 40),
                48 => style.background = extended(&mut codes).or(style.background),
                49 => style.background = None,
                90..=97 => style.foreground = narrow(code - 90 + 8),
                100..=107 => style.background = narrow(code - 100 + 8),
                _ => {}
            }
        }
    }
}

fn narrow(code: u16) -> Option<u8> {
    u8::try_from(code).ok()
}

/// The nearest of the sixteen colours to one of the 256 (`5;n`) or of all (`2;r;g;b`).
fn extended(codes: &mut impl Iterator<Item = Option<u16>>) -> Option<u8> {
    let mut next = || codes.next().flatten();
    match next()? {
        5 => match next()? {
            index @ 0..=15 => narrow(index),
            index @ 16..=231 => {
                let level = |step: u16| if step == 0 { 0 } else { 55 + 40 * step };
                let cube = index - 16;
                Some(nearest(level(cube / 36), level(cube / 6 % 6), level(cube % 6)))
            }
            index @ 232..=255 => {
                let grey = 8 + 10 * (index - 232);
                Some(nearest(grey, grey, grey))
            }
            _ => None,
        },
        2 => Some(nearest(next()?.min(255), next()?.min(255), next()?.min(255))),
        _ => None,
    }
}

/// The nearest named colour: which channels are strong, and whether the whole is bright.
fn nearest(red: u16, green: u16, blue: u16) -> u8 {
    let strongest = red.max(green).max(blue);
    let weakest = red.min(green).min(blue);
    if strongest - weakest < 32 {
        return match strongest {
            0..64 => 0,
            64..160 => 8,
            160..224 => 7,
            _ => 15,
        };
    }
    let middle = u16::midpoint(strongest, weakest);
    let bits = u8::from(red > middle) | u8::from(green > middle) << 1 | u8::from(blue > middle) << 2;
    if strongest > 200 { bits + 8 } else { bits }
}

fn line(row: &[(char, Style)]) -> Line {
    let mut spans: Vec<(Style, String)> = Vec::new();
    for (character, style) in row {
        match spans.last_mut() {
            Some((last, text)) if last == style => text.push(*character),
            Some(_) | None => spans.push((*style, character.to_string())),
        }
    }
    Line { spans: spans.into_iter().map(|(style, text)| Span { class: style.class(), text }).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines as text, styled spans as `{class|text}`.
    fn shown(text: &str) -> Vec<String> {
        let show = |span: &Span| if span.class.is_empty() { span.text.clone() } else { format!("{{{}|{}}}", span.class, span.text) };
        parse(text, 100).lines.iter().map(|line| line.spans.iter().map(show).collect()).collect()
    }

    #[test]
    fn styles() {
        for (output, expected) in [
            ("plain", "plain"),
            ("\u{1b}[31mred\u{1b}[0m not", "{f1|red} not"),
            ("\u{1b}[1;32mok\u{1b}[22m still green\u{1b}[m", "{f2 bold|ok}{f2| still green}"),
            ("\u{1b}[97;41mX", "{f15 g1|X}"),
            ("\u{1b}[7mX", "{inverse|X}"),
            ("\u{1b}[7;31mX", "{g1|X}"),
            ("\u{1b}[38;5;196mX", "{f9|X}"),
            ("\u{1b}[38;5;244mX", "{f8|X}"),
            ("\u{1b}[38;2;0;120;0mX", "{f2|X}"),
            ("\u{1b}[48;2;10;20;250mX", "{g12|X}"),
            ("\u{1b}[999999999;31mX", "{f1|X}"),
            ("\u{1b}[38;5mX", "X"),
        ] {
            assert_eq!(shown(output), [expected], "{output:?}");
        }
    }

    #[test]
    fn progress_bars_show_their_last_state() {
        assert_eq!(shown("10%\r50%\r100%\ndone\r\n"), ["100%", "done"]);
        assert_eq!(shown("downloading\r\u{1b}[Kok"), ["ok"]);
        assert_eq!(shown("long line\rab"), ["abng line"]);
        assert_eq!(shown("abc\u{8}\u{8}X"), ["aXc"]);
        assert_eq!(shown("abc\u{1b}[2Kx\u{1b}[1Gy"), ["y"]);
        assert_eq!(shown("abc\u{1b}[1Kd"), ["   d"]);
    }

    #[test]
    fn what_is_not_text_is_dropped() {
        for (output, expected) in [
            ("\u{1b}]8;;javascript:alert(1)\u{7}link\u{1b}]8;;\u{7}", "link"),
            ("\u{1b}]0;title\u{1b}\\after", "after"),
            ("\u{1b}(Btext", "text"),
            ("\u{1b}[10;20Htext", "text"),
            ("\u{1b}[?25ltext", "text"),
            ("a\u{0}b\u{7f}c\u{9b}d", "abcd"),
            ("\u{202e}evil", "\u{fffd}evil"),
            ("tab\tkept", "tab\tkept"),
            ("cut\u{1b}", "cut"),
            ("cut\u{1b}[3", "cut"),
        ] {
            assert_eq!(shown(output), [expected], "{output:?}");
        }
    }

    #[test]
    fn a_broken_sequence_ends_with_its_line() {
        assert_eq!(shown("a\u{1b}]0;never ends\nb"), ["a", "b"]);
        assert_eq!(shown("a\u{1b}[31\nb"), ["a", "b"]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let parsed = parse("1\n2\n3\n4\n", 2);
        assert_eq!(parsed.dropped, 2);
        assert_eq!(parsed.lines.iter().map(|line| line.spans[0].text.as_str()).collect::<Vec<_>>(), ["3", "4"]);
        assert_eq!(parse("", 2), Parsed { lines: vec![], dropped: 0 });
    }

    #[test]
    fn classes_come_from_a_closed_list() {
        let hostile: String =
            (0_u32..0x300).filter_map(char::from_u32).map(|c| format!("\u{1b}[{c}m\u{1b}[38;5;{}m{c}", c as u32)).collect();
        for span in parse(&hostile, 10_000).lines.iter().flat_map(|line| &line.spans) {
            assert!(span.class.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == ' '), "{}", span.class);
        }
    }
}
