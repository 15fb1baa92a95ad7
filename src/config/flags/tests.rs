//! The command line as pflag reads it.

use rstest::rstest;

use super::*;

fn args(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[rstest]
#[case("--max-pods=7", "maxPods", json!(7))]
#[case("--max-pods 7", "maxPods", json!(7))]
#[case("--max_pods=7", "maxPods", json!(7))]
#[case("--fail-swap-on=false", "failSwapOn", json!(false))]
#[case("--enable-server", "enableServer", json!(true))]
#[case("-v=4", "logging.verbosity", json!(4))]
#[case("-v 4", "logging.verbosity", json!(4))]
#[case("-v4", "logging.verbosity", json!(4))]
#[case("--v=4", "logging.verbosity", json!(4))]
#[case("--sync-frequency=90s", "syncFrequency", json!("1m30s"))]
#[case("--cluster-dns=10.0.0.1,10.0.0.2 --cluster-dns=10.0.0.3", "clusterDNS", json!(["10.0.0.1", "10.0.0.2", "10.0.0.3"]))]
#[case("--eviction-hard=memory.available<1Gi,nodefs.available<5%", "evictionHard", json!({"memory.available": "1Gi", "nodefs.available": "5%"}))]
#[case("--manifest-url-header=a:1,b:2 --manifest-url-header=a:3", "staticPodURLHeader", json!({"a": ["1", "3"], "b": ["2"]}))]
#[case("--register-with-taints=k=v:NoSchedule", "registerWithTaints", json!([{"key": "k", "value": "v", "effect": "NoSchedule"}]))]
#[case("--vmodule=a=3,b=4", "logging.vmodule", json!([{"filePattern": "a", "verbosity": 3}, {"filePattern": "b", "verbosity": 4}]))]
fn a_flag_sets_its_field(#[case] line: &str, #[case] field: &str, #[case] value: Value) {
    let (arguments, positional) = Arguments::parse(&args(line)).unwrap();
    let mut document = Document::default();
    arguments.apply(&mut document);
    assert_eq!(document.get(field), Some(&value));
    assert!(positional.is_empty());
}

#[test]
fn a_map_flag_replaces_but_gates_are_merged() {
    let mut document = Document::default();
    document.set("systemReserved", json!({"cpu": "1"}));
    document.set("featureGates", json!({"EventedPLEG": true, "MemoryQoS": true}));
    let (arguments, _) =
        Arguments::parse(&args("--system-reserved=memory=1Gi --feature-gates=MemoryQoS=false")).unwrap();
    arguments.apply(&mut document);
    assert_eq!(document.get("systemReserved"), Some(&json!({"memory": "1Gi"})));
    assert_eq!(document.get("featureGates"), Some(&json!({"EventedPLEG": true, "MemoryQoS": false})));
}

#[rstest]
#[case("--nosuch", "unknown flag: --nosuch")]
#[case("--max-pod=3", "unknown flag: --max-pod (did you mean --max-pods?)")]
#[case("--config", "flag needs an argument: --config")]
#[case("-v", "flag needs an argument: 'v' in -v")]
#[case("-config=/x", "unknown shorthand flag: 'c' in -config=/x (did you mean --config?)")]
#[case("--=x", "bad flag syntax: --=x")]
#[case(
    "--max-pods=abc",
    "invalid argument \"abc\" for \"--max-pods\" flag: strconv.ParseInt: parsing \"abc\": invalid syntax"
)]
#[case(
    "--max-pods=9999999999",
    "invalid argument \"9999999999\" for \"--max-pods\" flag: strconv.ParseInt: parsing \"9999999999\": value out of range"
)]
#[case("--v=x", "invalid argument \"x\" for \"-v, --v\" flag: strconv.ParseInt: parsing \"x\": invalid syntax")]
#[case(
    "--fail-swap-on=maybe",
    "invalid argument \"maybe\" for \"--fail-swap-on\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax"
)]
#[case(
    "--sync-frequency=20",
    "invalid argument \"20\" for \"--sync-frequency\" flag: time: missing unit in duration \"20\""
)]
#[case("--address=host", "invalid argument \"host\" for \"--address\" flag: failed to parse IP: \"host\"")]
fn refuses_with_pflags_words(#[case] line: &str, #[case] error: &str) {
    assert_eq!(Arguments::parse(&args(line)).unwrap_err().to_string(), error);
}

#[test]
fn what_is_no_flag_is_positional() {
    let (_, positional) = Arguments::parse(&args("run --v=1 -- --x")).unwrap();
    assert_eq!(positional, ["run", "--x"]);
}

#[test]
fn flags_on_their_way_out_are_named_once() {
    let (arguments, _) = Arguments::parse(&args("--max-pods=1 --max-pods=2 --containerd=/x --v=2")).unwrap();
    assert_eq!(arguments.deprecated.len(), 2);
    assert!(
        arguments.deprecated[0]
            .starts_with("Flag --max-pods has been deprecated, This parameter should be set via the config file")
    );
}

#[test]
fn every_field_that_a_flag_sets_exists() {
    let mut document = Document::flags_only();
    for flag in FLAGS {
        if let Sets::Field(path) = flag.sets {
            document.set(path, Value::Null);
        }
    }
    let known: Vec<&str> = super::super::fields::KUBELET_CONFIGURATION.iter().map(|f| f.name).collect();
    for name in document.0.keys() {
        assert!(known.contains(&name.as_str()), "{name}");
    }
}

#[test]
fn help_names_every_flag() {
    let help = help();
    assert!(FLAGS.iter().filter(|f| !f.hidden).all(|f| help.contains(&format!("--{}", f.name))));
    assert!(!help.contains("container-log-links-dir"));
}

proptest::proptest! {
    #[test]
    fn no_command_line_is_too_odd(args in proptest::collection::vec("(--?[a-z_-]{0,12})?[ =:<,a-z0-9-]{0,12}", 0..6)) {
        let _ = Arguments::parse(&args);
    }

    #[test]
    fn a_flag_reads_the_same_in_one_word_and_in_two(n in 0i32..) {
        let one = Arguments::parse(&[format!("--max-pods={n}")]);
        let two = Arguments::parse(&["--max-pods".to_owned(), n.to_string()]);
        proptest::prop_assert_eq!(one, two);
    }
}
