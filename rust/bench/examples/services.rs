//! Services for a gateway that is measured, as cheap as HTTP/2 allows: what is in front of them waits for nothing.
//!
//! They answer `hello`, `echo`, `data_sync` and `business_msg` as the embedded services do, other actions with 404, and
//! health checks; nothing that pushes is here. Three ports, one thread. Prints the addresses as JSON by the name of the
//! service, and ends with standard input.

use std::collections::HashMap;
use std::io::{Read, stdin};

use h2::RecvStream;
use h2::server::{self, SendResponse};
use http::{HeaderMap, HeaderValue, Response};
use prost::Message;
use prost::bytes::{BufMut, Bytes, BytesMut};
use tokio::net::{TcpListener, TcpStream};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// Bytes that a gateway may send before they are read: no call of a benchmark waits for this.
const WINDOW: u32 = 1 << 20;
const NAMES: [&str; 3] = ["hello", "business", "zone"];
const UNIMPLEMENTED: &str = "12";
const INVALID_ARGUMENT: &str = "3";

/// UpstreamRequest, as far as an answer needs it.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, tag = "2")]
    openid: String,
    #[prost(string, tag = "3")]
    action: String,
    #[prost(bytes = "bytes", tag = "5")]
    data: Bytes,
    #[prost(uint64, tag = "7")]
    client_seq_id: u64,
}

/// UpstreamResponse.
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(bytes = "bytes", tag = "3")]
    data: Bytes,
    #[prost(map = "string, string", tag = "4")]
    headers: HashMap<String, String>,
    #[prost(uint64, tag = "5")]
    client_seq_id: u64,
}

/// StatusResponse.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "1")]
    status: String,
}

/// HealthCheckResponse of `grpc.health.v1`.
#[derive(Clone, PartialEq, Message)]
struct Health {
    /// 1 is SERVING.
    #[prost(int32, tag = "1")]
    status: i32,
}

fn main() -> Result<(), Failed> {
    std::thread::spawn(|| {
        let _ = stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let mut addresses = Vec::new();
        let mut ports = Vec::new();
        for name in NAMES {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            addresses.push(format!("\"{name}\": \"{}\"", listener.local_addr()?));
            ports.push(tokio::spawn(accept(listener)));
        }
        println!("{{{}}}", addresses.join(", "));
        for port in ports {
            port.await??;
        }
        Ok(())
    })
}

async fn accept(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(async move { serve(socket).await.map_err(|error| eprintln!("{error}")) });
    }
}

async fn serve(socket: TcpStream) -> Result<(), Failed> {
    socket.set_nodelay(true)?;
    let mut settings = server::Builder::new();
    settings
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    let mut connection = settings.handshake(socket).await?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call?;
        let (head, body) = request.into_parts();
        tokio::spawn(async move { answer(head.uri.path(), body, respond).await });
    }
    Ok(())
}

async fn answer(path: &str, mut body: RecvStream, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut came = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        came.extend_from_slice(&data);
    }
    let method = path.rsplit('/').next().unwrap_or_default();
    let (message, status) = match method {
        "ProcessRequest" => match came.len().checked_sub(PREFIX) {
            Some(_) => processed(came.freeze().slice(PREFIX..)),
            None => (None, INVALID_ARGUMENT),
        },
        "GetStatus" => framed(&Status {
            status: "running".to_owned(),
        }),
        "Check" => framed(&Health { status: 1 }),
        _ => (None, UNIMPLEMENTED),
    };
    let head = Response::builder()
        .header("content-type", "application/grpc")
        .body(());
    let mut stream = respond.send_response(head.unwrap_or_default(), false)?;
    if let Some(message) = message {
        stream.send_data(message, false)?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    stream.send_trailers(trailers)
}

fn processed(message: Bytes) -> (Option<Bytes>, &'static str) {
    let Ok(request) = Request::decode(message) else {
        return (None, INVALID_ARGUMENT);
    };
    let mut answer = Answer {
        code: 200,
        client_seq_id: request.client_seq_id,
        ..Answer::default()
    };
    match request.action.as_str() {
        "echo" | "data_sync" | "business_msg" => answer.data = request.data,
        "hello" | "login" => {
            answer.data = format!("hello {}", request.openid).into();
            answer
                .headers
                .insert("gid".to_owned(), format!("gid-{}", request.openid));
        }
        _ => (answer.code, answer.message) = (404, "unknown action".to_owned()),
    }
    framed(&answer)
}

fn framed(message: &impl Message) -> (Option<Bytes>, &'static str) {
    let length = message.encoded_len();
    let mut framed = BytesMut::with_capacity(PREFIX + length);
    framed.put_u8(0);
    framed.put_u32(length as u32);
    // A BytesMut grows, so that encoding into it cannot fail.
    message.encode_raw(&mut framed);
    (Some(framed.freeze()), "0")
}
