package main

// What a Go program needs to talk to FlowStack: connections, calls, and a stream that goes on.

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	common "example/gen/common"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

var key = metadata.AppendToOutgoingContext(context.Background(), "x-internal-key", os.Getenv("INTERNAL_KEY"))

// A call of a service carries the key and a deadline.
func call[Q, A any](method func(context.Context, Q, ...grpc.CallOption) (A, error), request Q) A {
	ctx, cancel := context.WithTimeout(key, 10*time.Second)
	defer cancel()
	answer, err := method(ctx, request)
	check(err)
	return answer
}
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
func sandbox(method, path, body string, values ...any) { // stands in for Meta, Safaricom and the customer
	request, err := http.NewRequest(method, os.Getenv("SANDBOX_URL")+path, bytes.NewBufferString(fmt.Sprintf(body, values...)))
	check(err)
	answer, err := http.DefaultClient.Do(request)
	check(err)
	if answer.StatusCode >= 300 {
		log.Fatal(path, ": ", answer.Status)
	}
}

// Every event of a lane from a position on, for ever: a broken stream goes on where it stopped.
func follow(events common.EventLogClient, lane int32, position int64, seen func(*common.RecordedEvent)) {
	for {
		ctx, cancel := context.WithTimeout(key, time.Hour)
		stream, err := events.Subscribe(ctx, &common.SubscribeRequest{Lane: lane, FromPosition: position})
		for err == nil {
			var event *common.RecordedEvent
			if event, err = stream.Recv(); err == nil {
				seen(event)
				position = event.Position + 1 // keep it where a restart of yours finds it
			}
		}
		cancel()
		if code := status.Code(err); code != codes.Unavailable && code != codes.DeadlineExceeded {
			log.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
	}
}
