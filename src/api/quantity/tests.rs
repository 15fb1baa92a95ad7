//! Tables and properties of quantities; the tables hold Go's answers.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case("0", "0")]
#[case("0Ki", "0")]
#[case("1000m", "1")]
#[case("1500m", "1500m")]
#[case("0.1", "100m")]
#[case("0.1234567", "123456700n")]
#[case("1.5Gi", "1536Mi")]
#[case("1024Ki", "1Mi")]
#[case("1Ki", "1Ki")]
#[case("512Ki", "512Ki")]
#[case("1023", "1023")]
#[case("0.5Ki", "512")]
#[case("0.0001Ki", "102400u")]
#[case("1000", "1k")]
#[case("1500", "1500")]
#[case("100M", "100M")]
#[case("1e3", "1e3")]
#[case("1E3", "1e3")]
#[case("100e3", "100e3")]
#[case("1e5", "100e3")]
#[case("1e-3", "1e-3")]
#[case("5e-1", "500e-3")]
#[case("-1", "-1")]
#[case("+1", "1")]
#[case("-1.5Gi", "-1536Mi")]
#[case("00012", "12")]
#[case("1.", "1")]
#[case(".5", "500m")]
#[case(".", "0")]
#[case("1n", "1n")]
#[case("0.1n", "1n")]
#[case("1E", "1E")]
#[case("8Ei", "9223372036854775807")]
#[case("9223372036854775808", "9223372036854775807")]
#[case("123456789012345678901234567890123456789012345", "9223372036854775807")]
fn canonical_forms_are_gos(#[case] text: &str, #[case] want: &str) {
    assert_eq!(Quantity::parse(text).expect(text).to_string(), want);
}

#[rstest]
#[case("", QuantityError::Format)]
#[case("abc", QuantityError::Format)]
#[case("1.2.3", QuantityError::Format)]
#[case("1 Gi", QuantityError::Format)]
#[case("1Gib", QuantityError::Format)]
#[case("+", QuantityError::Numeric)]
#[case("M", QuantityError::Numeric)]
#[case("1e", QuantityError::Suffix)]
#[case("1mm", QuantityError::Suffix)]
#[case("1K", QuantityError::Suffix)]
fn bad_quantities_are_refused(#[case] text: &str, #[case] want: QuantityError) {
    assert_eq!(Quantity::parse(text), Err(want));
}

#[rstest]
#[case("1500m", 2, 1500)]
#[case("0.1m", 1, 1)]
#[case("-0.5", -1, -500)]
#[case("1Ki", 1024, 1_024_000)]
fn values_round_away_from_zero(#[case] text: &str, #[case] value: i64, #[case] milli: i64) {
    let quantity = Quantity::parse(text).expect(text);
    assert_eq!((quantity.value(), quantity.milli_value()), (value, milli));
}

#[test]
fn sums_keep_the_first_family_unless_zero() {
    let parse = |text| Quantity::parse(text).expect(text);
    assert_eq!(parse("1Ki").plus(parse("1024")).to_string(), "2Ki");
    assert_eq!(Quantity::ZERO.plus(parse("2Ki")).to_string(), "2Ki");
    assert_eq!(parse("2").minus(parse("1500m")).to_string(), "500m");
    assert_eq!(parse("0.1234567").round_up_milli().to_string(), "124m");
    assert_eq!(parse("1500m").ceil_div(parse("1")), 2);
    assert_eq!(parse("1500m").ceil_div(parse("1m")), 1500);
    assert_eq!(parse("1Gi").ceil_div(parse("1M")), 1074);
}

proptest! {
    #[test]
    fn canonical_form_reads_back_as_itself(number in "-?[0-9]{1,12}(\\.[0-9]{0,6})?", suffix in "(n|u|m||k|M|Ki|Mi|Gi|e2|e-1)") {
        let quantity = Quantity::parse(&format!("{number}{suffix}")).expect("well formed");
        let again = Quantity::parse(&quantity.to_string()).expect("canonical");
        prop_assert_eq!(quantity, again);
        prop_assert_eq!(quantity.to_string(), again.to_string());
    }

    #[test]
    fn addition_is_ordinary(a in -1_000_000_000i64..1_000_000_000, b in -1_000_000_000i64..1_000_000_000) {
        let (left, right) = (Quantity::from_milli(a), Quantity::from_milli(b));
        prop_assert_eq!(left.plus(right).milli_value(), a + b);
        prop_assert_eq!(left.minus(right).milli_value(), a - b);
        prop_assert_eq!(left < right, a < b);
    }

    #[test]
    fn nothing_panics(text in "\\PC{0,40}") {
        let _ = Quantity::parse(&text);
    }

    #[test]
    fn any_well_formed_text_is_read(text in "[+-]?[0-9]{1,50}\\.?[0-9]{0,50}(e-?[0-9]{1,4}|[EGm]|Ei)?") {
        prop_assert!(Quantity::parse(&text).is_ok());
    }
}
