// A service behind the gateway: it registers itself, answers hello and echo, and sends notifies around its answers.
//
//	go run . -gateway 127.0.0.1:8092
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	pb "go-service/gatesvr"
)

const (
	renewEvery = 5 * time.Second  // how often it registers again: a gateway that was restarted remembers nobody
	lease      = 20               // seconds after which the gateway forgets a service that does not
	tryAgain   = time.Second      // after a registration that failed
	callWithin = 5 * time.Second  // how long the gateway may take to answer
	stopWithin = 10 * time.Second // how long a stop waits for what is under way
)

// service answers the calls of gateways, and pushes through them.
type service struct {
	pb.UnimplementedUpstreamServiceServer
	gateway pb.GatewayServiceClient // where it registers
	callers sync.Map                // others that called, by address: *grpc.ClientConn
}

// ProcessRequest answers one request of a client. The openid can be relied on: the gateway has checked it.
func (s *service) ProcessRequest(ctx context.Context, r *pb.UpstreamRequest) (*pb.UpstreamResponse, error) {
	answer := &pb.UpstreamResponse{Code: 200, Message: "ok", ClientSeqId: r.ClientSeqId}
	switch strings.ToLower(r.Action) { // as the gateway routes
	case "hello": // a 200 logs in
		answer.Headers = map[string]string{"zone": "1", "gid": "g-" + r.Openid}
		s.notify(ctx, r, pb.NotifySyncHint_NSH_AFTER_RESPONSE, "welcome", "hello "+r.Openid)
	case "echo":
		answer.Data = r.Data
	case "news":
		s.notify(ctx, r, pb.NotifySyncHint_NSH_BEFORE_RESPONSE, "news", "comes before the answer")
		s.notify(ctx, r, pb.NotifySyncHint_NSH_AFTER_RESPONSE, "more", "comes behind the answer")
	default:
		answer.Code, answer.Message = 404, "unknown action "+r.Action
	}
	return answer, nil
}

// GetStatus says that it runs.
func (s *service) GetStatus(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	return &pb.StatusResponse{Status: "running"}, nil
}

// caller finds the gateway that sent a request, which has the client's session: the header names its address. An own
// token must be shown at such an address only over TLS; here none is.
func (s *service) caller(r *pb.UpstreamRequest) pb.GatewayServiceClient {
	address := r.Headers["gateway"] // the gateway's own, whatever the client wrote; empty where it does not know one
	if address == "" {
		return s.gateway
	}
	channel, there := s.callers.Load(address)
	if !there {
		opened, err := dial(address)
		if err != nil {
			return s.gateway
		}
		if channel, there = s.callers.LoadOrStore(address, opened); there {
			opened.Close()
		}
	}
	return pb.NewGatewayServiceClient(channel.(*grpc.ClientConn))
}

func dial(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
}

// notify binds a notify to the answer of a request: it goes out with it, right before or right behind it.
func (s *service) notify(ctx context.Context, r *pb.UpstreamRequest, hint pb.NotifySyncHint, kind, content string) {
	answer, err := s.caller(r).PushToClient(ctx, &pb.UnicastPushRequest{
		TargetType:      "session",
		TargetId:        r.SessionId,
		MsgType:         kind,
		Content:         content,
		SyncHint:        hint,
		BindClientSeqId: r.ClientSeqId,
	})
	if err == nil && !answer.Success {
		err = errors.New(answer.ErrorCode + ": " + answer.Message)
	}
	if err != nil {
		slog.Warn("notify not sent", "kind", kind, "reason", err)
	}
}

// register offers the service to the gateway, or takes it back.
func (s *service) register(address string, leaving bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), callWithin)
	defer cancel()
	request := &pb.UpstreamRegisterRequest{Address: address, ServiceName: "hello", Lease: lease, Deregister: leaving}
	answer, err := s.gateway.RegisterUpstream(ctx, request)
	if err == nil && !answer.Success {
		err = errors.New(answer.ErrorCode + ": " + answer.Message)
	}
	return err
}

// stayRegistered registers again and again, and takes it back at the end; it says what changes, and nothing else.
func (s *service) stayRegistered(ctx context.Context, address string) {
	said, ready := "", false
	for ctx.Err() == nil {
		pause := renewEvery
		err := s.register(address, false)
		switch {
		case err != nil && err.Error() != said:
			slog.Warn("not registered, trying again", "reason", err)
			said, pause = err.Error(), tryAgain
		case err != nil:
			pause = tryAgain
		case said != "" || !ready:
			slog.Info("registered", "address", address)
			if said = ""; !ready {
				fmt.Println("ready", address)
			}
			ready = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	if err := s.register(address, true); err != nil {
		slog.Warn("not deregistered", "reason", err)
	}
}

func run(gatewayAddress, listen string) error {
	signals, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	channel, err := dial(gatewayAddress)
	if err != nil {
		return err
	}
	defer channel.Close()
	port, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	s := &service{gateway: pb.NewGatewayServiceClient(channel)}
	server, healthServer := grpc.NewServer(), health.NewServer()
	pb.RegisterUpstreamServiceServer(server, s)
	healthpb.RegisterHealthServer(server, healthServer)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(port) }()
	left := make(chan struct{})
	go func() { s.stayRegistered(signals, port.Addr().String()); close(left) }()
	select {
	case err := <-failed:
		return err
	case <-signals.Done():
		stop() // a second signal ends it at once
	}
	// First nothing new comes, then what is under way is answered.
	healthServer.Shutdown()
	<-left
	late := time.AfterFunc(stopWithin, server.Stop)
	defer late.Stop()
	server.GracefulStop()
	s.callers.Range(func(_, channel any) bool { return channel.(*grpc.ClientConn).Close() == nil })
	return nil
}

func main() {
	gateway := flag.String("gateway", "127.0.0.1:8092", "gRPC address of the gateway (server.grpc)")
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on; the gateway must reach it")
	flag.Parse()
	if err := run(*gateway, *listen); err != nil {
		slog.Error("the service cannot run", "reason", err)
		os.Exit(3)
	}
}
