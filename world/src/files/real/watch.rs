//! Notice of change from inotify, mapped as kubelet 1.36 reads it (`config/file_linux.go`). Not recursive.

use std::{io, path::Path};

use futures_util::StreamExt as _;
use inotify::{EventMask, EventOwned, Inotify, WatchMask};

use crate::files::{Change, ChangeKind, Watch};

/// Room for one read of the kernel's queue; names are at most 255 bytes.
const BUFFER: usize = 16 * 1024;

/// Watches what `target` leads to and reports it under the name `path`.
pub(super) fn watch(target: &Path, path: &Path) -> io::Result<Watch> {
    let inotify = Inotify::init()?;
    let mask = WatchMask::CREATE
        | WatchMask::MODIFY
        | WatchMask::CLOSE_WRITE
        | WatchMask::ATTRIB
        | WatchMask::DELETE
        | WatchMask::DELETE_SELF
        | WatchMask::MOVED_FROM
        | WatchMask::MOVED_TO
        | WatchMask::MOVE_SELF;
    inotify.watches().add(target, mask)?;
    let events = inotify.into_event_stream(vec![0; BUFFER])?;
    let path = path.to_owned();
    let changes = events
        // The kernel says "ignored" when it has taken the watch away: what was watched is gone.
        .take_while(|event| {
            let over = matches!(event, Ok(event) if event.mask.contains(EventMask::IGNORED));
            std::future::ready(!over)
        })
        .filter_map(move |event| {
            std::future::ready(match event {
                Ok(event) => read(event, &path),
                Err(e) => Some(Err(e)),
            })
        });
    Ok(Watch::new(changes))
}

fn read(event: EventOwned, watched: &Path) -> Option<io::Result<Change>> {
    if event.mask.contains(EventMask::Q_OVERFLOW) {
        return Some(Err(io::Error::other("changes were lost: the kernel's queue overflowed")));
    }
    let kind = [
        (EventMask::CREATE | EventMask::MOVED_TO, ChangeKind::Create),
        (EventMask::MODIFY | EventMask::CLOSE_WRITE, ChangeKind::Write),
        (EventMask::ATTRIB, ChangeKind::Attributes),
        (EventMask::DELETE | EventMask::DELETE_SELF, ChangeKind::Remove),
        (EventMask::MOVED_FROM | EventMask::MOVE_SELF, ChangeKind::Rename),
    ]
    .into_iter()
    .find_map(|(mask, kind)| event.mask.intersects(mask).then_some(kind))?;
    let path = match event.name {
        Some(name) => watched.join(name),
        None => watched.to_owned(),
    };
    Some(Ok(Change { kind, path }))
}
