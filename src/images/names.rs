//! Image names as requests carry them: a missing tag becomes `latest`. The grammar is `api::image`.

use crate::api::image::Reference;

/// The name with its default tag. The error is Go's text for a name that cannot be parsed.
pub fn with_default_tag(image: &str) -> Result<String, String> {
    let reference = Reference::parse(image).map_err(|error| format!("couldn't parse image name {image:?}: {error}"))?;
    // The short form stays as it is written: only the tag is added.
    let complete = reference.tag.is_some() || reference.digest.is_some();
    Ok(if complete { image.to_owned() } else { format!("{image}:latest") })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("nginx", "nginx:latest")]
    #[case("nginx:1.27", "nginx:1.27")]
    #[case("localhost:5000/a/b", "localhost:5000/a/b:latest")]
    #[case("127.0.0.1:1/none:1", "127.0.0.1:1/none:1")]
    #[case("registry.k8s.io/pause", "registry.k8s.io/pause:latest")]
    #[case(
        "a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    )]
    fn tags(#[case] written: &str, #[case] asked: &str) {
        assert_eq!(with_default_tag(written).unwrap(), asked);
    }

    #[rstest]
    #[case(
        "UPPER/Bad:::x",
        "couldn't parse image name \"UPPER/Bad:::x\": invalid reference format: repository name (Bad) must be lowercase"
    )]
    #[case(
        "Nginx",
        "couldn't parse image name \"Nginx\": invalid reference format: repository name (library/Nginx) must be lowercase"
    )]
    fn refusals(#[case] written: &str, #[case] error: &str) {
        assert_eq!(with_default_tag(written).unwrap_err(), error);
    }
}
