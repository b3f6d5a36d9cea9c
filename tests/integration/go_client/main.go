// Every feature of etcd's Go client, unmodified, against the cluster at the endpoints given: each check
// says what must hold, and is run on its own keys.
//
//	go_client host:port,host:port,host:port
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const checkTimeout = 30 * time.Second

type check struct {
	name string
	run  func(t *T)
}

// T is what a check works with: a client, and a way to fail.
type T struct {
	context.Context
	*clientv3.Client
	endpoints []string
}

type failure string

func (t *T) failf(format string, arguments ...any) {
	panic(failure(fmt.Sprintf(format, arguments...)))
}

func (t *T) ok(err error) {
	if err != nil {
		t.failf("%v", err)
	}
}

func (t *T) equal(got, want any) {
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.failf("got %v, want %v", got, want)
	}
}

func (t *T) is(err, want error) {
	if !errors.Is(err, want) {
		t.failf("got error %v, want %v", err, want)
	}
}

// until waits for a condition, which is asked again and again.
func (t *T) until(what string, condition func() bool) {
	for !condition() {
		select {
		case <-t.Done():
			t.failf("never: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (t *T) put(key, value string) int64 {
	answer, err := t.Put(t, key, value)
	t.ok(err)
	return answer.Header.Revision
}

func (t *T) get(key string) string {
	answer, err := t.Get(t, key)
	t.ok(err)
	if len(answer.Kvs) == 0 {
		return "<none>"
	}
	return string(answer.Kvs[0].Value)
}

// dial makes one more client.
func (t *T) dial(change func(*clientv3.Config)) *clientv3.Client {
	config := clientv3.Config{Endpoints: t.endpoints, DialTimeout: 5 * time.Second}
	if change != nil {
		change(&config)
	}
	client, err := clientv3.New(config)
	t.ok(err)
	return client
}

func runCheck(c check, client *clientv3.Client, endpoints []string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	defer func() {
		if why := recover(); why != nil {
			said, expected := why.(failure)
			if !expected {
				panic(why)
			}
			err = errors.New(string(said))
		}
	}()
	c.run(&T{ctx, client, endpoints})
	return nil
}

func main() {
	endpoints := strings.Split(os.Args[1], ",")
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: 5 * time.Second})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	failed := 0
	checks := [][]check{kvChecks, watchChecks, leaseChecks, recipeChecks, wrapperChecks, clusterChecks, authChecks}
	total := 0
	for _, group := range checks {
		for _, c := range group {
			total++
			begun := time.Now()
			if err := runCheck(c, client, endpoints); err != nil {
				failed++
				fmt.Printf("FAILED %s: %v\n", c.name, err)
			} else {
				fmt.Printf("ok %s (%v)\n", c.name, time.Since(begun).Round(time.Millisecond))
			}
		}
	}
	client.Close()
	fmt.Printf("%d passed, %d failed\n", total-failed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
