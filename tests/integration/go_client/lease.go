package main

import (
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var leaseChecks = []check{
	{"a lease holds its keys until it is revoked", func(t *T) {
		lease, err := t.Grant(t, 100)
		t.ok(err)
		t.equal(lease.TTL, 100)
		_, err = t.Put(t, "lease/a", "1", clientv3.WithLease(lease.ID))
		t.ok(err)
		_, err = t.Put(t, "lease/a", "2", clientv3.WithIgnoreLease())
		t.ok(err)
		told, err := t.TimeToLive(t, lease.ID, clientv3.WithAttachedKeys())
		t.ok(err)
		t.equal([]any{told.GrantedTTL, len(told.Keys), string(told.Keys[0])}, []any{100, 1, "lease/a"})
		all, err := t.Leases(t)
		t.ok(err)
		found := false
		for _, one := range all.Leases {
			found = found || one.ID == lease.ID
		}
		t.equal(found, true)
		_, err = t.Revoke(t, lease.ID)
		t.ok(err)
		t.equal(t.get("lease/a"), "<none>")
		_, err = t.Revoke(t, lease.ID)
		t.is(err, rpctypes.ErrLeaseNotFound)
		_, err = t.Put(t, "lease/a", "1", clientv3.WithLease(lease.ID))
		t.is(err, rpctypes.ErrLeaseNotFound)
		gone, err := t.TimeToLive(t, lease.ID)
		t.ok(err)
		t.equal(gone.TTL, -1)
	}},
	{"a lease that is kept alive outlives its time, and is over soon after", func(t *T) {
		lease, err := t.Grant(t, 2)
		t.ok(err)
		_, err = t.Put(t, "lease/kept", "1", clientv3.WithLease(lease.ID))
		t.ok(err)
		begun := time.Now()
		kept, err := t.KeepAlive(t, lease.ID)
		t.ok(err)
		for time.Since(begun) < 3*time.Second {
			t.equal((<-kept).TTL, 2)
		}
		t.equal(t.get("lease/kept"), "1")
		once, err := t.KeepAliveOnce(t, lease.ID)
		t.ok(err)
		t.equal(once.TTL, 2)
		_, err = t.Revoke(t, lease.ID)
		t.ok(err)
		for range kept {
		}
		_, err = t.KeepAliveOnce(t, lease.ID)
		t.is(err, rpctypes.ErrLeaseNotFound)
	}},
	{"a lease that nobody keeps expires with its keys", func(t *T) {
		asked := time.Now()
		lease, err := t.Grant(t, 1)
		t.ok(err)
		put, err := t.Put(t, "lease/short", "1", clientv3.WithLease(lease.ID))
		t.ok(err)
		events := t.take(t.Watch(t, "lease/short", clientv3.WithRev(put.Header.Revision+1)), 1)
		t.equal(events[0].Type, clientv3.EventTypeDelete)
		if time.Since(asked) < time.Second {
			t.failf("it expired after %v", time.Since(asked))
		}
	}},
}
