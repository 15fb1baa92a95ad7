//! Whether an image that lies on the node may be used by a pod that asks for it, or must be pulled again so that the registry decides.
//! Pure; what is known of earlier pulls is `records`. As kubelet 1.36's KubeletEnsureSecretPulledImages.

use crate::{
    api::image::{Reference, ReferenceError},
    config::ImagePullCredentialsVerificationPolicy as Policy,
};

/// The configured rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// `imagePullCredentialsVerificationPolicy`.
    pub policy: Policy,
    /// `preloadedImagesVerificationAllowlist`: repositories, or prefixes that end in `/*`.
    pub allowlist: Vec<String>,
}

impl Default for Verification {
    fn default() -> Self {
        Self { policy: Policy::NeverVerifyPreloadedImages, allowlist: Vec::new() }
    }
}

impl Verification {
    /// Whether a pod needs credentials for `image`; `by_kubelet` is whether a kubelet pulled it or was about to.
    pub fn required(&self, image: &str, by_kubelet: bool) -> bool {
        match self.policy {
            Policy::NeverVerify => false,
            Policy::NeverVerifyPreloadedImages => by_kubelet,
            Policy::NeverVerifyAllowlistedImages => {
                let repository = repository(image).unwrap_or_else(|_| image.to_owned());
                !self.allowlist.iter().any(|entry| match entry.strip_suffix('*') {
                    Some(prefix) => repository.starts_with(prefix),
                    None => *entry == repository,
                })
            }
            Policy::AlwaysVerify => true,
        }
    }
}

/// The image as written, without tag and digest.
///
/// # Errors
/// It is no reference.
pub fn repository(image: &str) -> Result<String, ReferenceError> {
    let reference = Reference::parse(image)?;
    let mut text = image;
    if let Some(digest) = &reference.digest {
        text = text.strip_suffix(&format!("@{digest}")).unwrap_or(text);
    }
    if let Some(tag) = &reference.tag {
        text = text.strip_suffix(&format!(":{tag}")).unwrap_or(text);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Policy::NeverVerify, "a", true, false)]
    #[case(Policy::NeverVerifyPreloadedImages, "a", false, false)]
    #[case(Policy::NeverVerifyPreloadedImages, "a", true, true)]
    #[case(Policy::AlwaysVerify, "a", false, true)]
    #[case(Policy::NeverVerifyAllowlistedImages, "reg.example/a:1", true, false)]
    #[case(Policy::NeverVerifyAllowlistedImages, "reg.example/ab:1", false, true)]
    #[case(
        Policy::NeverVerifyAllowlistedImages,
        "reg.example/team/any/x@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        true,
        false
    )]
    #[case(Policy::NeverVerifyAllowlistedImages, "reg.example/teams/x", true, true)]
    fn rules(#[case] policy: Policy, #[case] image: &str, #[case] by_kubelet: bool, #[case] required: bool) {
        let allowlist = vec!["reg.example/a".to_owned(), "reg.example/team/*".to_owned()];
        assert_eq!(Verification { policy, allowlist }.required(image, by_kubelet), required);
    }

    #[rstest]
    #[case("busybox", "busybox")]
    #[case("busybox:1.36", "busybox")]
    #[case("reg:5000/a", "reg:5000/a")]
    #[case("reg:5000/a:1@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "reg:5000/a")]
    fn repositories(#[case] image: &str, #[case] name: &str) {
        assert_eq!(repository(image).unwrap(), name);
    }
}
