//! `[[ … ]]`: conditions whose words are not split, with patterns and regular expressions on the right.

use brush_parser::ast::{BinaryPredicate as Binary, ExtendedTestExpr as Expr};
use futures_util::future::BoxFuture;

use super::{pattern::matches, state::Shell, test_command};
use crate::applets::Regex;

impl Shell {
    /// Evaluates a condition. The error is what to say.
    pub(super) fn extended_test<'a>(&'a mut self, expr: &'a Expr) -> BoxFuture<'a, Result<bool, String>> {
        Box::pin(async move {
            Ok(match expr {
                Expr::And(left, right) => self.extended_test(left).await? && self.extended_test(right).await?,
                Expr::Or(left, right) => self.extended_test(left).await? || self.extended_test(right).await?,
                Expr::Not(inner) => !self.extended_test(inner).await?,
                Expr::Parenthesized(inner) => self.extended_test(inner).await?,
                Expr::UnaryTest(operator, word) => {
                    let operand = self.text(&word.value).await?;
                    self.test_words(&[&operator.to_string(), &operand])?
                }
                Expr::BinaryTest(operator, left, right) => {
                    let left = self.text(&left.value).await?;
                    match operator {
                        Binary::StringExactlyMatchesPattern | Binary::StringExactlyMatchesString => {
                            matches(&self.pattern(&right.value).await?, &left)
                        }
                        Binary::StringDoesNotExactlyMatchPattern | Binary::StringDoesNotExactlyMatchString => {
                            !matches(&self.pattern(&right.value).await?, &left)
                        }
                        Binary::StringMatchesRegex | Binary::StringContainsSubstring => {
                            let pattern = self.text(&right.value).await?;
                            let regex = Regex::new(&pattern, true, false, false);
                            regex.ok_or_else(|| format!("bad regex '{pattern}'"))?.held(&left)
                        }
                        other => {
                            let right = self.text(&right.value).await?;
                            self.test_words(&[&left, &other.to_string(), &right])?
                        }
                    }
                }
            })
        })
    }

    fn test_words(&self, words: &[&str]) -> Result<bool, String> {
        let args: Vec<String> = std::iter::once("test").chain(words.iter().copied()).map(str::to_owned).collect();
        test_command::test(&self.process, &args)
    }
}
