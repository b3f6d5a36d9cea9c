package main

import (
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Last of all: while authentication is on, the other checks' client may do nothing.
var authChecks = []check{
	{"users may do what their roles allow, and nothing else", func(t *T) {
		for _, name := range []string{"root", "reader"} {
			_, err := t.RoleAdd(t, name)
			t.ok(err)
			_, err = t.UserAdd(t, name, name+"'s")
			t.ok(err)
			_, err = t.UserGrantRole(t, name, name)
			t.ok(err)
		}
		_, err := t.UserAddWithOptions(t, "nopass", "", &clientv3.UserAddOptions{NoPassword: true})
		t.ok(err)
		_, err = t.UserAdd(t, "root", "x")
		t.is(err, rpctypes.ErrUserAlreadyExist)
		_, err = t.RoleGrantPermission(t, "reader", "auth/", clientv3.GetPrefixRangeEnd("auth/"), clientv3.PermissionType(clientv3.PermRead))
		t.ok(err)
		role, err := t.RoleGet(t, "reader")
		t.ok(err)
		t.equal(string(role.Perm[0].Key), "auth/")
		t.put("auth/a", "1")
		_, err = t.AuthEnable(t)
		t.ok(err)
		as := func(name, password string) *clientv3.Client {
			return t.dial(func(config *clientv3.Config) { config.Username, config.Password = name, password })
		}
		root := as("root", "root's")
		defer root.Close()
		defer root.AuthDisable(t)

		reader := as("reader", "reader's")
		defer reader.Close()
		got, err := reader.Get(t, "auth/", clientv3.WithPrefix())
		t.ok(err)
		t.equal(got.Count, 1)
		_, err = reader.Put(t, "auth/a", "2")
		t.is(err, rpctypes.ErrPermissionDenied)
		_, err = reader.Get(t, "other")
		t.is(err, rpctypes.ErrPermissionDenied)
		denied := <-reader.Watch(t, "other")
		if denied.Err() == nil {
			t.failf("a watch without permission goes on")
		}
		t.equal(len(t.take(reader.Watch(t, "auth/a", clientv3.WithRev(got.Kvs[0].ModRevision)), 1)), 1)
		_, err = t.Put(t, "auth/a", "2")
		t.is(err, rpctypes.ErrUserEmpty)
		_, err = clientv3.New(clientv3.Config{Endpoints: t.endpoints, Username: "root", Password: "wrong"})
		t.is(err, rpctypes.ErrAuthFailed)

		status, err := root.AuthStatus(t)
		t.ok(err)
		t.equal(status.Enabled, true)
		_, err = root.UserChangePassword(t, "reader", "new")
		t.ok(err)
		t.until("the new password is taken", func() bool {
			client, err := clientv3.New(clientv3.Config{Endpoints: t.endpoints, Username: "reader", Password: "new"})
			if err != nil {
				return false
			}
			client.Close()
			return true
		})
		_, err = root.UserRevokeRole(t, "reader", "reader")
		t.ok(err)
		_, err = root.RoleRevokePermission(t, "reader", "auth/", clientv3.GetPrefixRangeEnd("auth/"))
		t.ok(err)
		users, err := root.UserList(t)
		t.ok(err)
		t.equal(len(users.Users), 3)
		roles, err := root.RoleList(t)
		t.ok(err)
		t.equal(len(roles.Roles), 2)
		_, err = root.UserDelete(t, "nopass")
		t.ok(err)
		_, err = root.UserGet(t, "nopass")
		t.is(err, rpctypes.ErrUserNotFound)
		_, err = root.RoleDelete(t, "reader")
		t.ok(err)
		_, err = root.AuthDisable(t)
		t.ok(err)
		t.equal(t.get("auth/a"), "1")
	}},
}
