//! Many manifests at once, on all processors. Decoding is pure, so nothing that is seen depends on how many there are: neither the results
//! nor their order, and virtual time stands still meanwhile.

use std::{num::NonZero, panic, path::PathBuf, thread};

use super::parse::{self, Manifest};

/// Fewer than these for each thread are not worth starting one.
const WORTH_A_THREAD: usize = 32;

/// The bytes of a file.
pub struct Bytes {
    /// Which file.
    pub path: PathBuf,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// Reads the manifests of files, as [`parse::manifest`] does each.
pub fn manifests(files: &[Bytes], node_name: &str, local: bool) -> Vec<Result<Manifest, String>> {
    let one = |file: &Bytes| parse::manifest(&file.bytes, &file.path.display().to_string(), node_name, local);
    let worth = files.len() / WORTH_A_THREAD;
    // Counting processors reads files of the kernel, and most listings bring nothing new.
    let threads = if worth < 2 { 1 } else { thread::available_parallelism().map_or(1, NonZero::get).min(worth) };
    if threads < 2 {
        return files.iter().map(one).collect();
    }
    thread::scope(|scope| {
        let parts = files.chunks(files.len().div_ceil(threads));
        let running: Vec<_> = parts.map(|part| scope.spawn(move || part.iter().map(one).collect::<Vec<_>>())).collect();
        running.into_iter().flat_map(|part| part.join().unwrap_or_else(|panic| panic::resume_unwind(panic))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::pod;

    #[test]
    fn results_stand_in_the_order_of_the_files() {
        let file = |number: usize| {
            let kind = if number.is_multiple_of(7) { "Nothing" } else { "Pod" };
            let text = format!(
                "apiVersion: v1\nkind: {kind}\nmetadata: {{name: p{number}}}\nspec: {{containers: [{{name: c, image: i}}]}}\n"
            );
            Bytes { path: PathBuf::from(format!("/m/{number}.yaml")), bytes: text.into_bytes() }
        };
        for count in [0, 1, 63, 64, 1001] {
            let files: Vec<Bytes> = (0..count).map(file).collect();
            let results = manifests(&files, "node1", false);
            assert_eq!(results.len(), count);
            for (number, result) in results.into_iter().enumerate() {
                match result {
                    Ok(manifest) => assert_eq!(pod::name(&manifest.pod), format!("p{number}-node1")),
                    Err(error) => {
                        assert!(
                            error.starts_with(&format!("/m/{number}.yaml: ")) && number.is_multiple_of(7),
                            "{error}"
                        )
                    }
                }
            }
        }
    }
}
