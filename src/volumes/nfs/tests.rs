//! NFS against programs that are functions.

use rstest::rstest;
use world::{Tasks, sim::SimWorld};

use super::*;

const DIR: &str = "/var/lib/kubelet/pods/u/volumes/kubernetes.io~nfs/v";

/// A world whose `mount` and `umount` do what they are told, or end with this code and these words.
fn world(code: i32, words: &'static str) -> SimWorld {
    let sim = SimWorld::new(1, &Tasks::root("test"));
    for (program, mounts) in [("mount", true), ("umount", false)] {
        let table = sim.world.mounts.clone();
        sim.programs.register(format!("/bin/{program}"), move |invocation| {
            let table = table.clone();
            async move {
                let at = PathBuf::from(invocation.args.last().expect("a directory"));
                let outcome = Outcome { code, stderr: words.into(), ..Outcome::default() };
                match (code, mounts) {
                    (0, true) => table.mount("tmpfs", "export", &at, "")?,
                    (0, false) => table.unmount(&at)?,
                    _ => {}
                }
                Ok(outcome)
            }
        });
    }
    sim
}

fn source(server: &str, read_only: bool) -> NFSVolumeSource {
    NFSVolumeSource { server: server.to_owned(), path: "/data".to_owned(), read_only: Some(read_only) }
}

#[rstest]
#[case("files.example", false, &["-t", "nfs", "files.example:/data", DIR])]
#[case("files.example", true, &["-t", "nfs", "-o", "ro", "files.example:/data", DIR])]
#[case("2001:db8::1", false, &["-t", "nfs", "[2001:db8::1]:/data", DIR])]
#[case("-obind", false, &["-t", "nfs", "--", "-obind:/data", DIR])]
#[tokio::test(start_paused = true)]
async fn it_is_mounted_once_and_taken_away(#[case] server: &str, #[case] read_only: bool, #[case] args: &[&str]) {
    let sim = world(0, "");
    let dir = Path::new(DIR);
    for _ in 0..2 {
        mount(&sim.world, &source(server, read_only), dir).await.expect("mounted");
    }
    assert_eq!(sim.programs.calls().len(), 1);
    assert_eq!(sim.programs.calls()[0].args, args);
    assert!(is_mounted(&sim.world, dir).unwrap());
    sim.world.files.write(&dir.join("kept"), b"of the server", 0o644).unwrap();
    unmount(&sim.world, dir).await.expect("unmounted");
    unmount(&sim.world, dir).await.expect("nothing is left to do");
    assert_eq!(sim.programs.calls()[1].args, [DIR]);
    assert!(!sim.world.files.exists(dir));
}

#[tokio::test(start_paused = true)]
async fn what_mount_says_is_told_and_no_directory_stays() {
    let sim = world(32, "mount.nfs: Connection timed out\n");
    let dir = Path::new(DIR);
    let error = mount(&sim.world, &source("s", true), dir).await.unwrap_err();
    let told = format!(
        "mount failed: exit status 32\nMounting command: mount\nMounting arguments: -t nfs -o ro s:/data {DIR}\n\
         Output: mount.nfs: Connection timed out\n"
    );
    assert_eq!(error, told);
    assert!(!sim.world.files.exists(dir));
}

#[tokio::test(start_paused = true)]
async fn a_node_without_the_program_says_so() {
    let sim = SimWorld::new(1, &Tasks::root("test"));
    let error = mount(&sim.world, &source("s", false), Path::new(DIR)).await.unwrap_err();
    assert!(
        error.starts_with("mount failed: exec: \"mount\": executable file not found in $PATH\nMounting command: "),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_unmounted_keeps_its_content() {
    let sim = world(16, "umount.nfs: device is busy\n");
    let dir = Path::new(DIR);
    sim.world.files.create_dir_all(dir, 0o750).unwrap();
    sim.world.mounts.mount("tmpfs", "export", dir, "").unwrap();
    sim.world.files.write(&dir.join("kept"), b"", 0o644).unwrap();
    let error = unmount(&sim.world, dir).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("unmount failed: exit status 16\nUnmounting arguments: {DIR}\nOutput: umount.nfs: device is busy\n")
    );
    assert!(sim.world.files.exists(&dir.join("kept")));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_left_with_force() {
    let sim = world(0, "");
    let dir = Path::new(DIR);
    mount(&sim.world, &source("s", false), dir).await.unwrap();
    let table = sim.world.mounts.clone();
    sim.programs.register("/bin/umount", move |invocation| {
        let table = table.clone();
        async move {
            if invocation.args[0] != "-f" {
                std::future::pending::<()>().await;
            }
            table.unmount(Path::new(&invocation.args[1]))?;
            Ok(Outcome::default())
        }
    });
    unmount(&sim.world, dir).await.expect("unmounted with force");
    assert!(!sim.world.files.exists(dir));
}
