//! The same over TLS, with one record a flush.

use super::{
    super::Upgraded,
    client::{Client, seen},
    stand::Stand,
};
use bytes::Bytes;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const CERT: &[u8] = include_bytes!("tls/cert.pem");
const KEY: &[u8] = include_bytes!("tls/key.pem");
/// Type of a record with application data.
const APPLICATION_DATA: u8 = 23;

/// Counts the records that come in.
struct Counting {
    tcp: TcpStream,
    records: Arc<AtomicUsize>,
    /// Bytes of the record under way that are still to come, and its header so far.
    rest: usize,
    header: Vec<u8>,
}

impl Read for Counting {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = self.tcp.read(buf)?;
        for byte in &buf[..n] {
            if self.rest > 0 {
                self.rest -= 1;
                continue;
            }
            self.header.push(*byte);
            if let [kind, _, _, high, low] = self.header[..] {
                if kind == APPLICATION_DATA {
                    self.records.fetch_add(1, Ordering::SeqCst);
                }
                self.rest = usize::from(u16::from_be_bytes([high, low]));
                self.header.clear();
            }
        }
        Ok(n)
    }
}

impl Write for Counting {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.tcp.write(buf)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

type TlsClient = Client<StreamOwned<ClientConnection, Counting>>;

/// Both ends after the handshake.
fn open(stand: &Stand) -> (TlsClient, Arc<AtomicUsize>) {
    let cert = CertificateDer::from_pem_slice(CERT).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert).unwrap();
    let client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();

    let (ours, mut theirs) = Stand::pair();
    ours.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let accepting = std::thread::spawn(move || {
        let mut session = ServerConnection::new(Arc::new(server)).unwrap();
        while session.is_handshaking() || session.wants_write() {
            session.complete_io(&mut theirs).unwrap();
        }
        (theirs, session)
    });
    let records = Arc::new(AtomicUsize::new(0));
    let session = ClientConnection::new(Arc::new(client), "localhost".try_into().unwrap()).unwrap();
    let counting = Counting {
        tcp: ours,
        records: records.clone(),
        rest: 0,
        header: Vec::new(),
    };
    let mut stream = StreamOwned::new(session, counting);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    let (theirs, session) = accepting.join().unwrap();
    stand.adopt(Upgraded::Tls(theirs, Box::new(session), Bytes::new()), None);
    (Client::new(stream), records)
}

fn join(stand: &Stand) -> (TlsClient, Arc<AtomicUsize>) {
    let (mut viewer, records) = open(stand);
    viewer.send("auth", &[&stand.token()]);
    viewer.expect(&[seen("auth success", &[]), seen("status", &["running"])]);
    (viewer, records)
}

#[test]
fn lines_that_leave_together_leave_in_one_record() {
    let mut stand = Stand::new();
    let (mut viewer, records) = join(&stand);
    viewer.send("send stats", &[]);
    viewer.until("stats");
    std::thread::sleep(Duration::from_millis(100));
    let before = records.load(Ordering::SeqCst);
    let lines: String = (0..100).map(|n| format!("{n} line\n")).collect();
    stand.print(&lines);
    assert_eq!(viewer.lines(100)[99], "99 line");
    assert_eq!(records.load(Ordering::SeqCst) - before, 1);
}

#[test]
fn a_slow_viewer_loses_nothing_over_tls_either() {
    let mut stand = Stand::with_limits(|_| (), |limits| limits.ring_bytes = 256 << 10);
    let (mut viewer, _) = join(&stand);
    std::thread::sleep(Duration::from_millis(50));
    let pad = "x".repeat(190);
    for chunk in 0..400 {
        let lines: String = (0..100).map(|i| format!("{} {pad}\n", chunk * 100 + i)).collect();
        stand.print(&lines);
    }
    for n in 0..40_000 {
        assert!(viewer.lines(1)[0].starts_with(&format!("{n} ")), "line {n}");
    }
    assert!(stand.shards.counts().slow > 0);
    stand.print("live\n");
    assert_eq!(viewer.lines(1), ["live"]);
}

#[test]
fn a_close_ends_tls_too() {
    let stand = Stand::new();
    let (mut viewer, _) = join(&stand);
    viewer.send_frame(0x88, &[3, 232]);
    viewer.expect(&[
        super::client::Seen::Close(Some((1000, String::new()))),
        super::client::Seen::End,
    ]);
}
