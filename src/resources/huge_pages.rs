//! How a size of huge pages is written: as a resource, and as control groups have it. Pure.

/// What resources of huge pages begin with.
pub const PREFIX: &str = "hugepages-";

/// `hugepages-2Mi`, `hugepages-1Gi`: as pods ask for pages of so many KiB.
pub fn resource(kib: u64) -> String {
    let (number, unit) = scaled(kib);
    format!("{PREFIX}{number}{unit}i")
}

/// `2MB`, `1GB`: as control groups and the runtime name pages of so many KiB.
pub fn page_size(kib: u64) -> String {
    let (number, unit) = scaled(kib);
    format!("{number}{unit}B")
}

fn scaled(kib: u64) -> (u64, char) {
    match kib {
        k if k % (1 << 20) == 0 => (k >> 20, 'G'),
        k if k % (1 << 10) == 0 => (k >> 10, 'M'),
        k => (k, 'K'),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    #[rstest]
    #[case(64, "hugepages-64Ki", "64KB")]
    #[case(2048, "hugepages-2Mi", "2MB")]
    #[case(32_768, "hugepages-32Mi", "32MB")]
    #[case(1_048_576, "hugepages-1Gi", "1GB")]
    fn names(#[case] kib: u64, #[case] resource: &str, #[case] page_size: &str) {
        assert_eq!((super::resource(kib).as_str(), super::page_size(kib).as_str()), (resource, page_size));
    }
}
