//! Messages with descriptors between the parent and the stages, over one `SOCK_SEQPACKET` pair.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

use super::Message;

/// Most descriptors in one message; stage 1 sends eight at most.
const MAX_FDS: usize = 16;
/// Most bytes in one message; the longest is an error text.
const MAX_BYTES: usize = 16 * 1024;

/// One end.
pub(super) struct Channel(End);

enum End {
    Owned(OwnedFd),
    Stdin(io::Stdin),
}

impl Channel {
    /// Two connected ends: ours, and the one that becomes a stage's standard input.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(End::Owned(ours)), theirs))
    }

    /// The end that a stage was started with.
    pub(super) fn stdin() -> Self {
        Self(End::Stdin(io::stdin()))
    }

    /// A second handle on the same end, to hand to the next stage.
    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.fd().try_clone_to_owned()
    }

    pub(super) fn send(&self, message: &Message, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::Error::other("too many descriptors for one message"));
        }
        rustix::net::sendmsg(self.fd(), &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next message; `None` when the other side is gone.
    pub(super) fn receive(&self) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
        let mut bytes = vec![0; MAX_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            let mut iov = [IoSliceMut::new(&mut bytes)];
            rustix::net::recvmsg(self.fd(), &mut iov, &mut control, RecvFlags::CMSG_CLOEXEC)
        });
        let length = match received {
            Ok(received) => received.bytes,
            Err(rustix::io::Errno::CONNRESET) => 0,
            Err(error) => return Err(error.into()),
        };
        if length == 0 {
            return Ok(None);
        }
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        Ok(Some((serde_json::from_slice(&bytes[..length])?, fds)))
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            End::Owned(fd) => fd.as_fd(),
            End::Stdin(stdin) => stdin.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrives_with_its_descriptors_and_the_end_is_seen() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel(End::Owned(theirs));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        ours.send(&Message::Listening(vec![super::super::Kind::Http]), &[listener.as_fd()]).unwrap();
        let (message, fds) = theirs.receive().unwrap().unwrap();
        assert!(matches!(message, Message::Listening(kinds) if kinds.len() == 1));
        let copy = std::net::TcpListener::from(fds.into_iter().next().unwrap());
        assert_eq!(copy.local_addr().unwrap(), listener.local_addr().unwrap());
        drop(ours);
        assert!(theirs.receive().unwrap().is_none());
    }
}
