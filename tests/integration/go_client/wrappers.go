package main

import (
	"context"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
	"go.etcd.io/etcd/client/v3/leasing"
	"go.etcd.io/etcd/client/v3/mirror"
	"go.etcd.io/etcd/client/v3/namespace"
	"go.etcd.io/etcd/client/v3/naming/endpoints"
	"go.etcd.io/etcd/client/v3/naming/resolver"
	"go.etcd.io/etcd/client/v3/ordering"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

var wrapperChecks = []check{
	{"a namespace hides its prefix", func(t *T) {
		kv := namespace.NewKV(t.Client.KV, "space/")
		watcher := namespace.NewWatcher(t.Client.Watcher, "space/")
		leases := namespace.NewLease(t.Client.Lease, "space/")
		lease, err := leases.Grant(t, 100)
		t.ok(err)
		put, err := kv.Put(t, "a", "1", clientv3.WithLease(lease.ID))
		t.ok(err)
		t.equal(t.get("space/a"), "1")
		told, err := leases.TimeToLive(t, lease.ID, clientv3.WithAttachedKeys())
		t.ok(err)
		t.equal(string(told.Keys[0]), "a")
		event := t.take(watcher.Watch(t, "", clientv3.WithPrefix(), clientv3.WithRev(put.Header.Revision)), 1)[0]
		t.equal(string(event.Kv.Key), "a")
		done, err := kv.Txn(t).If(clientv3.Compare(clientv3.Value("a"), "=", "1")).Then(clientv3.OpGet("", clientv3.WithFromKey())).Commit()
		t.ok(err)
		t.equal(fmt.Sprint(done.Succeeded, string(done.Responses[0].GetResponseRange().Kvs[0].Key)), "truea")
		_, err = leases.Revoke(t, lease.ID)
		t.ok(err)
	}},
	{"a mirror has all that was and all that comes", func(t *T) {
		for i := range 1500 { // more than one of its pages
			t.put(fmt.Sprintf("mirror/%d", i), "v")
		}
		ctx, stop := context.WithCancel(t)
		defer stop()
		syncer := mirror.NewSyncer(t.Client, "mirror/", 0)
		base, errs := syncer.SyncBase(ctx)
		count := 0
		for page := range base {
			count += len(page.Kvs)
		}
		t.ok(<-errs)
		t.equal(count, 1500)
		updates := syncer.SyncUpdates(ctx)
		t.put("mirror/new", "v")
		t.equal(string(t.take(updates, 1)[0].Kv.Key), "mirror/new")
	}},
	{"reads never go back where order is asked for", func(t *T) {
		client := t.dial(nil)
		defer client.Close()
		kv := ordering.NewKV(client.KV, ordering.NewOrderViolationSwitchEndpointClosure(client))
		for i := range 30 {
			t.put("order", fmt.Sprint(i))
			newest, err := kv.Get(t, "order")
			t.ok(err)
			got, err := kv.Get(t, "order", clientv3.WithSerializable())
			t.ok(err)
			if got.Header.Revision < newest.Header.Revision {
				t.failf("read %d after %d", got.Header.Revision, newest.Header.Revision)
			}
		}
	}},
	{"a leasing cache reads its own and others' writes", func(t *T) {
		one, closeOne, err := leasing.NewKV(t.Client, "leasing/")
		t.ok(err)
		defer closeOne()
		two, closeTwo, err := leasing.NewKV(t.Client, "leasing/")
		t.ok(err)
		defer closeTwo()
		_, err = one.Put(t, "cached", "1")
		t.ok(err)
		for i, kv := range []clientv3.KV{one, two, one, two} {
			got, err := kv.Get(t, "cached")
			t.ok(err)
			t.equal(string(got.Kvs[0].Value), fmt.Sprint(i+1))
			_, err = kv.Put(t, "cached", fmt.Sprint(i+2))
			t.ok(err)
		}
		done, err := two.Txn(t).If(clientv3.Compare(clientv3.Value("cached"), "=", "5")).Then(clientv3.OpDelete("cached")).Commit()
		t.ok(err)
		t.equal(done.Succeeded, true)
		gone, err := one.Get(t, "cached")
		t.ok(err)
		t.equal(gone.Count, 0)
	}},
	{"names lead to servers, and follow them", func(t *T) {
		manager, err := endpoints.NewManager(t.Client, "service")
		t.ok(err)
		updates, err := manager.NewWatchChannel(t)
		t.ok(err)
		t.ok(manager.AddEndpoint(t, "service/one", endpoints.Endpoint{Addr: t.endpoints[0], Metadata: "first"}))
		t.ok(manager.AddEndpoint(t, "service/two", endpoints.Endpoint{Addr: t.endpoints[1]}))
		// The list is whatever the member that is asked has applied.
		t.until("both are listed", func() bool {
			listed, err := manager.List(t)
			t.ok(err)
			return len(listed) == 2 && listed["service/one"].Addr == t.endpoints[0]
		})
		seen := 0
		for seen < 2 {
			seen += len(<-updates)
		}
		builder, err := resolver.NewBuilder(t.Client)
		t.ok(err)
		connection, err := grpc.NewClient("etcd:///service", grpc.WithResolvers(builder),
			grpc.WithTransportCredentials(insecure.NewCredentials()))
		t.ok(err)
		defer connection.Close()
		health, err := grpc_health_v1.NewHealthClient(connection).Check(t, &grpc_health_v1.HealthCheckRequest{})
		t.ok(err)
		t.equal(health.Status, grpc_health_v1.HealthCheckResponse_SERVING)
		t.ok(manager.DeleteEndpoint(t, "service/one"))
		t.until("one is listed", func() bool {
			listed, err := manager.List(t)
			t.ok(err)
			return len(listed) == 1
		})
	}},
	{"what an API server of Kubernetes asks is answered", func(t *T) {
		client, err := kubernetes.New(clientv3.Config{Endpoints: t.endpoints})
		t.ok(err)
		defer client.Close()
		created, err := client.Kubernetes.OptimisticPut(t, "/registry/a", []byte("1"), 0, kubernetes.PutOptions{})
		t.ok(err)
		t.equal(created.Succeeded, true)
		again, err := client.Kubernetes.OptimisticPut(t, "/registry/a", []byte("2"), 0, kubernetes.PutOptions{GetOnFailure: true})
		t.ok(err)
		t.equal([]any{again.Succeeded, string(again.KV.Value)}, []any{false, "1"})
		listed, err := client.Kubernetes.List(t, "/registry/", kubernetes.ListOptions{Limit: 10})
		t.ok(err)
		t.equal([]any{len(listed.Kvs), listed.Count}, []any{1, 1})
		count, err := client.Kubernetes.Count(t, "/registry/", kubernetes.CountOptions{})
		t.ok(err)
		t.equal(count, 1)
		deleted, err := client.Kubernetes.OptimisticDelete(t, "/registry/a", created.Revision, kubernetes.DeleteOptions{})
		t.ok(err)
		t.equal(deleted.Succeeded, true)
		got, err := client.Kubernetes.Get(t, "/registry/a", kubernetes.GetOptions{})
		t.ok(err)
		t.equal(got.KV == nil, true)
	}},
	{"a client whose deadline is over is told, and nothing happened", func(t *T) {
		ctx, cancel := context.WithTimeout(t, 0)
		defer cancel()
		_, err := t.Put(ctx, "late", "1")
		t.is(err, context.DeadlineExceeded)
		t.equal(t.get("late"), "<none>")
		_, err = t.Get(t, "late", clientv3.WithRev(1<<40))
		t.is(err, rpctypes.ErrFutureRev)
	}},
}
