//! Pages of a list, as Pterodactyl's clients ask for them and read them.
//!
//! Queries of existing clients are read leniently: a number that is none counts as not given. Which rows a list holds
//! is its endpoint's business.

use serde_json::{Value, json};

/// Which page of how many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// From 1.
    pub number: i64,
    /// Rows a page, 1 to 100.
    pub rows: i64,
}

impl Page {
    /// From a query's `page` and `per_page`; `rows` where the query says nothing.
    pub fn read(page: Option<&str>, per_page: Option<&str>, rows: i64) -> Self {
        let number = |text: Option<&str>| text.and_then(|t| t.trim().parse::<i64>().ok());
        Self {
            number: number(page).unwrap_or(1).clamp(1, 1_000_000),
            rows: number(per_page).unwrap_or(rows).clamp(1, 100),
        }
    }

    /// Rows before this page.
    pub fn offset(self) -> i64 {
        (self.number - 1) * self.rows
    }

    /// The list with its place among `total` rows.
    pub fn list(self, data: Vec<Value>, total: i64) -> Value {
        let count = data.len();
        let pages = (total + self.rows - 1).div_euclid(self.rows).max(1);
        json!({
            "object": "list",
            "data": Value::Array(data),
            "meta": {"pagination": {
                "total": total, "count": count, "per_page": self.rows, "current_page": self.number,
                "total_pages": pages, "links": {},
            }},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_within_bounds_whatever_is_asked() {
        assert_eq!(Page::read(None, None, 50), Page { number: 1, rows: 50 });
        assert_eq!(
            Page::read(Some("0"), Some("1000"), 50),
            Page { number: 1, rows: 100 }
        );
        assert_eq!(Page::read(Some("-3"), Some("0"), 50), Page { number: 1, rows: 1 });
        assert_eq!(Page::read(Some("x"), Some(""), 25), Page { number: 1, rows: 25 });
        assert_eq!(
            Page::read(Some("9223372036854775807"), Some("100"), 50).offset(),
            99_999_900
        );
    }

    #[test]
    fn an_empty_list_has_one_page() {
        let list = Page { number: 1, rows: 50 }.list(Vec::new(), 0);
        assert_eq!(list["meta"]["pagination"]["total_pages"], 1);
        let list = Page { number: 2, rows: 50 }.list(vec![json!(1)], 51);
        assert_eq!(list["meta"]["pagination"]["total_pages"], 2);
        assert_eq!(list["meta"]["pagination"]["count"], 1);
    }
}
