//! Markdown that stays readable while it streams: the text as it is, with colours.

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const HEADING: &str = "\x1b[1;4m";
const CODE: &str = "\x1b[36m";

/// Colours Markdown that arrives piece by piece. Nothing is held back but a mark that may go on, so
/// that each piece is seen as it comes.
#[derive(Debug, Default)]
pub struct Markdown {
    /// Marks at the end of a piece, which may go on in the next one.
    held: String,
    is_mid_line: bool,
    is_fenced: bool,
    /// The language after the marks of a fence, up to the end of its line.
    is_fence_line: bool,
    is_heading: bool,
    is_bold: bool,
    is_code: bool,
}

impl Markdown {
    /// Returns more text, coloured.
    pub fn push(&mut self, piece: &str) -> String {
        let mut out = String::new();
        for c in piece.chars() {
            let goes_on = self.held.chars().next().is_none_or(|held| held == c);
            if matches!(c, '*' | '`' | '#') && goes_on {
                self.held.push(c);
                continue;
            }
            self.mark(c, &mut out);
            match c {
                '\n' => self.end_line(&mut out),
                '*' | '`' | '#' => self.held.push(c),
                c => {
                    out.push(c);
                    self.is_mid_line |= !c.is_whitespace();
                }
            }
        }
        out
    }

    /// Writes the marks that were held back; `next` is the character after them.
    fn mark(&mut self, next: char, out: &mut String) {
        let marks = std::mem::take(&mut self.held);
        if marks.is_empty() {
            return;
        }
        if marks.starts_with("```") && !self.is_mid_line {
            self.is_fenced = !self.is_fenced;
            self.is_fence_line = true;
            out.push_str(&format!("{CODE}{marks}"));
        } else if self.is_fenced {
            out.push_str(&marks);
        } else if marks.starts_with('#') && !self.is_mid_line && next == ' ' {
            self.is_heading = true;
            out.push_str(&format!("{HEADING}{marks}"));
        } else if marks == "`" {
            self.is_code = !self.is_code;
            let style = self.style();
            match self.is_code {
                true => out.push_str(&format!("{style}{marks}")),
                false => out.push_str(&format!("{marks}{style}")),
            }
        } else if marks == "**" && !self.is_code && (self.is_bold || !next.is_whitespace()) {
            self.is_bold = !self.is_bold;
            let style = self.style();
            match self.is_bold {
                true => out.push_str(&format!("{style}{marks}")),
                false => out.push_str(&format!("{marks}{style}")),
            }
        } else {
            out.push_str(&marks);
        }
        self.is_mid_line = true;
    }

    /// Returns the codes of what is open.
    fn style(&self) -> String {
        let open = [
            (self.is_heading, HEADING),
            (self.is_bold, BOLD),
            (self.is_code || self.is_fenced, CODE),
        ];
        let open: String = open.iter().filter(|(is_open, _)| *is_open).map(|(_, c)| *c).collect();
        format!("{RESET}{open}")
    }

    /// Ends a line, and with it what cannot go on in the next.
    fn end_line(&mut self, out: &mut String) {
        let was_styled =
            self.is_heading || self.is_bold || self.is_code || self.is_fenced || self.is_fence_line;
        self.is_heading = false;
        self.is_bold = false;
        self.is_code = false;
        self.is_fence_line = false;
        self.is_mid_line = false;
        if was_styled {
            out.push_str(RESET);
        }
        out.push('\n');
        if self.is_fenced {
            out.push_str(CODE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows the codes as letters: B bold, H heading, C code, 0 the end.
    fn shown(text: &str, size: usize) -> String {
        let mut markdown = Markdown::default();
        let characters: Vec<char> = text.chars().collect();
        let pieces =
            characters.chunks(size).map(|piece| markdown.push(&piece.iter().collect::<String>()));
        let text: String = pieces.collect();
        [(RESET, "<0>"), (HEADING, "<H>"), (BOLD, "<B>"), (CODE, "<C>")]
            .into_iter()
            .fold(text, |text, (code, letter)| text.replace(code, letter))
    }

    #[test]
    fn the_text_is_as_it_was_with_colours_however_it_is_cut() {
        for (text, expected) in [
            ("plain * text # here\n", "plain * text # here\n"),
            ("a **b** c\n", "a <0><B>**b**<0> c\n"),
            ("# Title\nx\n", "<H># Title<0>\nx\n"),
            ("#tag and 2 ** 3\n", "#tag and 2 ** 3\n"),
            ("use `a**b` now\n", "use <0><C>`a**b`<0> now\n"),
            ("```rust\nlet a = 1;\n```\nx\n", "<C>```rust<0>\n<C>let a = 1;<0>\n<C><C>```<0>\nx\n"),
            ("**open\nnext\n", "<0><B>**open<0>\nnext\n"),
            ("* item\n* **bold**: text\n", "* item\n* <0><B>**bold**<0>: text\n"),
        ] {
            for size in 1..6 {
                assert_eq!(shown(text, size), expected, "{text:?} in pieces of {size}");
            }
        }
    }
}
