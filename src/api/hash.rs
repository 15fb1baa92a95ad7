//! Hashes that the kubelet stores with containers and static pods. FNV-1a as in Go's `hash/fnv`; not a security measure.

use crate::api::gojson;

/// 32-bit FNV-1a.
pub fn fnv1a_32(data: &[u8]) -> u32 {
    more_fnv1a_32(0x811c_9dc5, data)
}

fn more_fnv1a_32(hash: u32, data: &[u8]) -> u32 {
    data.iter().fold(hash, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// 128-bit FNV-1a, in the parameters of the FNV draft that Go uses too.
pub fn fnv1a_128(data: &[u8]) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    data.iter().fold(OFFSET, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

/// The hash in the annotation `io.kubernetes.container.hash`: it covers the container's name and image as written in
/// the spec, and nothing else. A running container whose stored hash differs is replaced (kubelet 1.36,
/// `HashContainer`): FNV-1a over Go's dump of the bytes of `{"image":…,"name":…}`.
pub fn container_hash(name: &str, image: &str) -> u32 {
    let json = format!("{{\"image\":{},\"name\":{}}}", gojson::quoted(image), gojson::quoted(name));
    let mut hash = fnv1a_32(b"([]uint8)[");
    for (at, byte) in json.bytes().enumerate() {
        let shown = [b' ', b'0' + byte / 100, b'0' + byte / 10 % 10, b'0' + byte % 10];
        let digits = 1 + usize::from(byte < 100) + usize::from(byte < 10);
        hash = more_fnv1a_32(hash, &shown[..usize::from(at > 0)]);
        hash = more_fnv1a_32(hash, &shown[digits..]);
    }
    more_fnv1a_32(hash, b"]")
}

/// [`container_hash`] as the annotation holds it: lower-case hex without leading zeros.
pub fn container_hash_text(name: &str, image: &str) -> String {
    format!("{:x}", container_hash(name, image))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_hash_is_gos() {
        assert_eq!(container_hash_text("test_container", "foo/image:v1"), "8e45cbd0");
    }

    #[test]
    fn fnv_of_nothing_is_the_offset() {
        assert_eq!(fnv1a_32(b""), 0x811c_9dc5);
        assert_eq!(format!("{:032x}", fnv1a_128(b"a")), "d228cb696f1a8caf78912b704e4a8964");
    }
}
