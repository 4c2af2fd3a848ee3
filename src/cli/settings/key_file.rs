//! The file that holds the key to what clients carry.
//!
//! In: a path. Out: the key, or what is wrong with the file, with the fix. A key that others may
//! read is refused, before it is used; so is what is no plain file, which might never end, or never
//! open. A credential of systemd may show its group as a reader: that is how the list of who may
//! read it shows, which holds the service's user alone. Limit: `FILE_BYTES_MAX`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::session::seal::StateKey;

/// No key is longer; what is read of a larger file shows that it is none.
const FILE_BYTES_MAX: u64 = 1024;
/// The permissions of anybody but the owner.
const OTHERS: u32 = 0o077;
/// The permission that the mask of an access list shows on a credential.
const CREDENTIAL_MASK: u32 = 0o040;

/// Reads a key.
pub(super) fn read(path: &str) -> Result<StateKey, String> {
    read_beside(path, std::env::var_os("CREDENTIALS_DIRECTORY"))
}

/// Reads a key, which may be a credential in that folder.
fn read_beside(path: &str, credentials: Option<OsString>) -> Result<StateKey, String> {
    let unread = |error: io::Error| {
        let fix = match error.kind() {
            io::ErrorKind::NotFound => {
                "write one: (umask 077; head -c 32 /dev/urandom > FILE), and name it here"
            }
            io::ErrorKind::PermissionDenied => "make it a file of the user that the server runs as",
            _ => "name a file with a key",
        };
        format!("\"{path}\" cannot be read: {error}: {fix}")
    };
    // Before it is opened: a pipe that nobody writes to never opens.
    if !fs::metadata(path).map_err(unread)?.is_file() {
        return Err(format!("\"{path}\" must be a plain file: write the key to one, mode 600"));
    }
    let file = File::open(path).map_err(unread)?;
    // Asked of the open file, so that it is the one that is read.
    let mode = file.metadata().map_err(unread)?.permissions().mode() & 0o777;
    let folder = Path::new(path).parent();
    let is_credential = credentials.is_some_and(|credentials| folder == Some(credentials.as_ref()));
    let refused = if is_credential { OTHERS & !CREDENTIAL_MASK } else { OTHERS };
    if mode & refused != 0 {
        return Err(format!(
            "\"{path}\" has mode {mode:o}: others than its owner may use the key; chmod 600 it, \
             and if anybody could have read it, write a new key"
        ));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(unread)?;
    let key = StateKey::from_bytes(&bytes).map_err(|fault| format!("\"{path}\": {fault}"));
    bytes.fill(0);
    key
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_key_is_read_from_a_file_of_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let text = path.to_str().expect("UTF-8");
        let read_with = |bytes: &[u8], mode: u32| {
            fs::write(&path, bytes).expect("written");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("permitted");
            read(text)
        };
        for bytes in [&[7; 32][..], "0f".repeat(32).as_bytes(), b"short"] {
            let key = read_with(bytes, 0o600);
            assert_eq!(key.is_ok_and(|key| !key.is_random()), bytes != b"short");
        }
        for mode in [0o640, 0o604, 0o660] {
            let fault = read_with(&[7; 32], mode).expect_err("too open");
            assert!(fault.contains("chmod 600"), "{fault}");
        }
        let fault = read_with(b"secret", 0o600).expect_err("too short");
        assert!(fault.contains("6 bytes are no key") && !fault.contains("secret"), "{fault}");
        let long = read_with(&[b'a'; 5000], 0o600).expect_err("too long");
        assert!(long.contains("no key"), "{long}");
        let gone = read("/nowhere/key").expect_err("no file");
        assert!(gone.contains("cannot be read: No such file"), "{gone}");
        assert!(gone.contains("write one: (umask 077; head -c 32 /dev/urandom > FILE)"), "{gone}");
    }

    #[test]
    fn a_credential_may_show_the_mask_of_its_access_list() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state-key");
        fs::write(&path, [7; 32]).expect("written");
        let read_in = |mode: u32, credentials: &str| {
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("permitted");
            read_beside(path.to_str().expect("UTF-8"), Some(credentials.into()))
        };
        let here = folder.path().to_str().expect("UTF-8");
        assert!(read_in(0o440, here).is_ok_and(|key| !key.is_random()));
        for (mode, credentials) in [(0o440, "/run/credentials/other"), (0o460, here), (0o444, here)]
        {
            let fault = read_in(mode, credentials).expect_err("too open");
            assert!(fault.contains("chmod 600"), "{fault}");
        }
    }

    #[test]
    fn what_is_no_plain_file_is_refused_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = folder.path().join("fifo");
        let made = Command::new("mkfifo").args(["-m", "600"]).arg(&fifo).status();
        assert!(made.is_ok_and(|status| status.success()), "a pipe");
        for path in [fifo.as_path(), folder.path(), Path::new("/dev/zero")] {
            let fault = read(path.to_str().expect("UTF-8")).expect_err("no plain file");
            assert!(fault.contains("must be a plain file: write the key to one"), "{fault}");
        }
    }
}
