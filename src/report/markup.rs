//! Text inside HTML, SVG and other XML.

/// Text for a place between tags, or in an attribute between double quotes.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_markup_is_text() {
        assert_eq!(escaped("<a href=\"x\">&lt;"), "&lt;a href=&quot;x&quot;&gt;&amp;lt;");
    }
}
