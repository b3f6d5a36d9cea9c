"""Our command line in the place of etcdctl: the same words in, the same lines out."""

import cluster
import etcdctl_test
from cluster import KVCTL


class KvctlTest(etcdctl_test.EtcdctlTest):
    command = KVCTL


if __name__ == "__main__":
    cluster.main()
