//! `$((…))`: 64-bit integers, wrapping, over the shell's variables.

use brush_parser::ast::{
    ArithmeticExpr as Expr, ArithmeticTarget, BinaryOperator as Binary, UnaryAssignmentOperator as Step,
    UnaryOperator as Unary,
};

use super::state::Shell;

/// Deepest chain of variables that name other expressions.
const REFERENCE_LIMIT: u32 = 32;

impl Shell {
    /// Evaluates an expression whose `$` have been expanded.
    pub(super) fn arithmetic(&mut self, text: &str) -> Result<i64, String> {
        self.arithmetic_at(text, 0)
    }

    fn arithmetic_at(&mut self, text: &str, depth: u32) -> Result<i64, String> {
        if depth > REFERENCE_LIMIT
            || text.bytes().filter(|b| matches!(b, b'(' | b'?' | b'!' | b'~' | b'-')).count() > 200
        {
            return Err("expression recursion loop detected".to_owned());
        }
        let expr = super::syntax::guarded(|| {
            brush_parser::arithmetic::parse(text).map_err(|_| "arithmetic syntax error".to_owned())
        })?;
        self.value(&expr, depth)
    }

    fn value(&mut self, expr: &Expr, depth: u32) -> Result<i64, String> {
        Ok(match expr {
            Expr::Literal(n) => *n,
            Expr::Reference(target) => self.reference(target, depth)?,
            Expr::UnaryOp(op, x) => {
                let x = self.value(x, depth)?;
                match op {
                    Unary::UnaryPlus => x,
                    Unary::UnaryMinus => x.wrapping_neg(),
                    Unary::BitwiseNot => !x,
                    Unary::LogicalNot => i64::from(x == 0),
                }
            }
            Expr::BinaryOp(Binary::LogicalAnd, x, y) => {
                i64::from(self.value(x, depth)? != 0 && self.value(y, depth)? != 0)
            }
            Expr::BinaryOp(Binary::LogicalOr, x, y) => {
                i64::from(self.value(x, depth)? != 0 || self.value(y, depth)? != 0)
            }
            Expr::BinaryOp(op, x, y) => {
                let (x, y) = (self.value(x, depth)?, self.value(y, depth)?);
                binary(*op, x, y)?
            }
            Expr::Conditional(test, yes, no) => {
                if self.value(test, depth)? != 0 {
                    self.value(yes, depth)?
                } else {
                    self.value(no, depth)?
                }
            }
            Expr::Assignment(target, x) => {
                let x = self.value(x, depth)?;
                self.assign(target, x)?
            }
            Expr::BinaryAssignment(op, target, x) => {
                let old = self.reference(target, depth)?;
                let x = self.value(x, depth)?;
                self.assign(target, binary(*op, old, x)?)?
            }
            Expr::UnaryAssignment(step, target) => {
                let old = self.reference(target, depth)?;
                let (new, shown) = match step {
                    Step::PrefixIncrement => (old.wrapping_add(1), old.wrapping_add(1)),
                    Step::PrefixDecrement => (old.wrapping_sub(1), old.wrapping_sub(1)),
                    Step::PostfixIncrement => (old.wrapping_add(1), old),
                    Step::PostfixDecrement => (old.wrapping_sub(1), old),
                };
                self.assign(target, new)?;
                shown
            }
        })
    }

    fn reference(&mut self, target: &ArithmeticTarget, depth: u32) -> Result<i64, String> {
        let ArithmeticTarget::Variable(name) = target else { return Err("arithmetic syntax error".to_owned()) };
        let text = self.get(name).unwrap_or_default();
        let text = text.trim();
        if text.is_empty() {
            return Ok(0);
        }
        match text.parse() {
            Ok(number) => Ok(number),
            Err(_) => self.arithmetic_at(text, depth + 1),
        }
    }

    fn assign(&mut self, target: &ArithmeticTarget, value: i64) -> Result<i64, String> {
        let ArithmeticTarget::Variable(name) = target else { return Err("arithmetic syntax error".to_owned()) };
        self.set(name, value.to_string())?;
        Ok(value)
    }
}

fn binary(op: Binary, x: i64, y: i64) -> Result<i64, String> {
    Ok(match op {
        Binary::Power => u32::try_from(y).map(|y| x.wrapping_pow(y)).map_err(|_| "exponent less than 0".to_owned())?,
        Binary::Multiply => x.wrapping_mul(y),
        Binary::Divide | Binary::Modulo if y == 0 => return Err("divide by zero".to_owned()),
        Binary::Divide => x.wrapping_div(y),
        Binary::Modulo => x.wrapping_rem(y),
        Binary::Comma => y,
        Binary::Add => x.wrapping_add(y),
        Binary::Subtract => x.wrapping_sub(y),
        Binary::ShiftLeft => x.wrapping_shl(y as u32),
        Binary::ShiftRight => x.wrapping_shr(y as u32),
        Binary::LessThan => i64::from(x < y),
        Binary::LessThanOrEqualTo => i64::from(x <= y),
        Binary::GreaterThan => i64::from(x > y),
        Binary::GreaterThanOrEqualTo => i64::from(x >= y),
        Binary::Equals => i64::from(x == y),
        Binary::NotEquals => i64::from(x != y),
        Binary::BitwiseAnd => x & y,
        Binary::BitwiseXor => x ^ y,
        Binary::BitwiseOr => x | y,
        Binary::LogicalAnd => i64::from(x != 0 && y != 0),
        Binary::LogicalOr => i64::from(x != 0 || y != 0),
    })
}
