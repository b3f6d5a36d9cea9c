package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/snapshot"
	"go.uber.org/zap"
)

// leader gives the endpoint of the leader, and a member that does not lead.
func (t *T) leader() (endpoint string, follower uint64) {
	for _, asked := range t.endpoints {
		status, err := t.Status(t, asked)
		t.ok(err)
		if status.Leader == status.Header.MemberId {
			endpoint = asked
		} else {
			follower = status.Header.MemberId
		}
	}
	return endpoint, follower
}

var clusterChecks = []check{
	{"members are listed, added as learners and removed", func(t *T) {
		members, err := t.MemberList(t)
		t.ok(err)
		t.equal(len(members.Members), len(t.endpoints))
		added, err := t.MemberAddAsLearner(t, []string{"http://127.0.0.1:1"})
		t.ok(err)
		t.equal([]any{added.Member.IsLearner, len(added.Members)}, []any{true, len(t.endpoints) + 1})
		// A leader that has not applied the addition yet says that it knows no such member.
		t.until("the learner is known, and not ready", func() bool {
			_, err = t.MemberPromote(t, added.Member.ID)
			return !errors.Is(err, rpctypes.ErrMemberNotFound)
		})
		t.is(err, rpctypes.ErrMemberLearnerNotReady)
		_, err = t.MemberUpdate(t, added.Member.ID, []string{"http://127.0.0.1:2"})
		t.ok(err)
		removed, err := t.MemberRemove(t, added.Member.ID)
		t.ok(err)
		t.equal(len(removed.Members), len(t.endpoints))
		_, err = t.MemberRemove(t, added.Member.ID)
		t.is(err, rpctypes.ErrMemberNotFound)
		_, err = t.MemberAdd(t, members.Members[0].PeerURLs)
		t.is(err, rpctypes.ErrPeerURLExist)
	}},
	{"a client finds the members by one of them", func(t *T) {
		client := t.dial(func(config *clientv3.Config) { config.Endpoints = t.endpoints[:1] })
		defer client.Close()
		t.ok(client.Sync(t))
		t.equal(len(client.Endpoints()), len(t.endpoints))
	}},
	{"every member tells its state, and all the same hash", func(t *T) {
		revision := t.put("hash", "1")
		var hashes []uint32
		for _, endpoint := range t.endpoints {
			status, err := t.Status(t, endpoint)
			t.ok(err)
			if status.DbSize == 0 || status.Leader == 0 || !strings.HasPrefix(status.Version, "3.") {
				t.failf("status of %s: %v", endpoint, status)
			}
			t.until("the member has applied the put", func() bool {
				got, err := t.HashKV(t, endpoint, revision)
				if err != nil {
					return false
				}
				hashes = append(hashes, got.Hash)
				return true
			})
			_, err = t.Defragment(t, endpoint)
			t.ok(err)
		}
		t.equal(hashes[1:], []uint32{hashes[0], hashes[0]})
	}},
	{"leadership moves when the leader is asked", func(t *T) {
		endpoint, follower := t.leader()
		client := t.dial(func(config *clientv3.Config) { config.Endpoints = []string{endpoint} })
		defer client.Close()
		_, err := client.MoveLeader(t, follower)
		t.ok(err)
		t.until("the other one leads", func() bool {
			status, err := t.Status(t, endpoint)
			return err == nil && status.Leader == follower
		})
		_, err = client.MoveLeader(t, follower)
		t.is(err, rpctypes.ErrNotLeader)
	}},
	{"alarms are listed and disarmed", func(t *T) {
		members, err := t.MemberList(t)
		t.ok(err)
		id := members.Members[0].ID
		raise := &etcdserverpb.AlarmRequest{Action: etcdserverpb.AlarmRequest_ACTIVATE, MemberID: id, Alarm: etcdserverpb.AlarmType_NOSPACE}
		_, err = etcdserverpb.NewMaintenanceClient(t.ActiveConnection()).Alarm(t, raise)
		t.ok(err)
		alarms, err := t.AlarmList(t)
		t.ok(err)
		t.equal([]any{len(alarms.Alarms), alarms.Alarms[0].MemberID}, []any{1, id})
		_, err = t.Put(t, "alarm", "1")
		t.is(err, rpctypes.ErrNoSpace)
		_, err = t.AlarmDisarm(t, &clientv3.AlarmMember{})
		t.ok(err)
		alarms, err = t.AlarmList(t)
		t.ok(err)
		t.equal(len(alarms.Alarms), 0)
		t.put("alarm", "1")
	}},
	{"a snapshot is whole, as a stream and as a file", func(t *T) {
		t.put("snapshot", "1")
		reader, err := t.Snapshot(t)
		t.ok(err)
		bytes, err := io.ReadAll(reader)
		t.ok(err)
		body, sum := bytes[:len(bytes)-32], bytes[len(bytes)-32:]
		t.equal(len(body)%512, 0)
		t.equal(fmt.Sprintf("%x", sha256.Sum256(body)), fmt.Sprintf("%x", sum))
		with, err := t.SnapshotWithVersion(t)
		t.ok(err)
		t.ok(with.Snapshot.Close())
		folder, err := os.MkdirTemp("", "go-client-")
		t.ok(err)
		defer os.RemoveAll(folder)
		path := filepath.Join(folder, "saved.db")
		version, err := snapshot.SaveWithVersion(t, zap.NewNop(), clientv3.Config{Endpoints: t.endpoints[:1]}, path)
		t.ok(err)
		if !strings.HasPrefix(version, "3.") {
			t.failf("version %q", version)
		}
	}},
	{"a downgrade is validated, begun and cancelled", func(t *T) {
		status, err := t.Status(t, t.endpoints[0])
		t.ok(err)
		var major, minor int
		_, err = fmt.Sscanf(status.Version, "%d.%d", &major, &minor)
		t.ok(err)
		below := fmt.Sprintf("%d.%d", major, minor-1)
		for _, action := range []clientv3.DowngradeAction{clientv3.DowngradeValidate, clientv3.DowngradeEnable, clientv3.DowngradeCancel} {
			answer, err := t.Downgrade(t, action, below)
			t.ok(err)
			t.equal(answer.Version, fmt.Sprintf("%d.%d", major, minor))
		}
		_, err = t.Downgrade(t, clientv3.DowngradeValidate, "2.0")
		t.is(err, rpctypes.ErrInvalidDowngradeTargetVersion)
	}},
}
