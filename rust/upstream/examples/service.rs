//! A gRPC service that gives each call the same answer, as cheaply as HTTP/2 allows: what is measured in front of it
//! waits for nothing. Prints its address, and ends with standard input.

use std::io::{Read, stdin};

use bytes::{BufMut, Bytes, BytesMut};
use h2::RecvStream;
use h2::server::{self, SendResponse};
use http::{HeaderMap, HeaderValue, Response};
use tokio::net::{TcpListener, TcpStream};

type Failed = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    std::thread::spawn(|| {
        let _ = stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (socket, _) = listener.accept().await?;
            tokio::spawn(async move { serve(socket).await.map_err(|error| eprintln!("{error}")) });
        }
    })
}

async fn serve(socket: TcpStream) -> Result<(), Failed> {
    socket.set_nodelay(true)?;
    let mut connection = server::handshake(socket).await?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call?;
        tokio::spawn(answer(request.into_body(), respond));
    }
    Ok(())
}

async fn answer(mut body: RecvStream, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    while let Some(data) = body.data().await {
        body.flow_control().release_capacity(data?.len())?;
    }
    let head = Response::builder()
        .header("content-type", "application/grpc")
        .body(());
    let mut stream = respond.send_response(head.unwrap_or_default(), false)?;
    stream.send_data(response(), false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers)
}

/// The framed message {1: 200, 3: 128 bytes} of UpstreamResponse.
fn response() -> Bytes {
    let mut framed = BytesMut::from(&b"\0\0\0\0\x86\x08\xc8\x01\x1a\x80\x01"[..]);
    framed.put_bytes(b'x', 128);
    framed.freeze()
}
