// See ../README.md for what a driver is told and says.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

type nothing struct {
	ID int `json:"id"`
}

func (nothing) Kind() string { return "nothing" }

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func number(name string) int {
	value, err := strconv.Atoi(os.Getenv(name))
	must(err)
	return value
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/riverqueue/river" {
			return module.Version
		}
	}
	return "unknown"
}

func ready() {
	fmt.Println("ready", version())
	_, err := bufio.NewReader(os.Stdin).ReadString('\n')
	must(err)
}

func enqueue(ctx context.Context, pool *pgxpool.Pool, jobs int) {
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, nil)
	must(err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	must(err)
	client, err := river.NewClient(driver, &river.Config{})
	must(err)
	most := number("PEER_INSERT_BATCH")
	ready()
	for from := 0; from < jobs; from += most {
		params := make([]river.InsertManyParams, min(most, jobs-from))
		for i := range params {
			params[i].Args = nothing{ID: from + i}
		}
		_, err = client.InsertMany(ctx, params)
		must(err)
	}
}

func work(ctx context.Context, pool *pgxpool.Pool, jobs int) int {
	var count atomic.Int64
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[nothing]) error {
		count.Add(1)
		return nil
	}))
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		FetchCooldown:     2 * time.Millisecond,
		FetchPollInterval: 20 * time.Millisecond,
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: number("PEER_CONCURRENCY")}},
		Workers:           workers,
	})
	must(err)
	// An event comes when the job is marked in the table, not when its worker returns.
	completed, cancel := client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: jobs,
		Kinds:    []river.EventKind{river.EventKindJobCompleted, river.EventKindJobFailed, river.EventKindJobCancelled},
	})
	defer cancel()
	ready()
	must(client.Start(ctx))
	for range jobs {
		if event := <-completed; event.Kind != river.EventKindJobCompleted {
			log.Fatal("job ", event.Job.ID, " ended as ", event.Kind)
		}
	}
	return int(count.Load())
}

func main() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("PEER_URL"))
	must(err)
	jobs := number("PEER_JOBS")
	if os.Args[1] == "enqueue" {
		enqueue(ctx, pool, jobs)
		fmt.Println("done", jobs)
	} else {
		fmt.Println("done", work(ctx, pool, jobs))
	}
}
