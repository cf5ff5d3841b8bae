// GKE's managed metrics adapter, as far as its documentation tells what it does: it reads the gauges that
// AutoscalingMetric objects name, of the pods themselves, and serves them as custom metrics, one value a pod.
// https://cloud.google.com/kubernetes-engine/docs/how-to/autoscale-using-metrics
package main

import (
	"os"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/logs"
	"k8s.io/klog/v2"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/cmd"
)

func main() {
	logs.InitLogs()
	defer logs.FlushLogs()
	adapter := &cmd.AdapterBase{Name: "gke-metrics-adapter"}
	if err := adapter.Flags().Parse(os.Args); err != nil {
		klog.Fatal(err)
	}
	client, err := adapter.DynamicClient()
	if err != nil {
		klog.Fatal(err)
	}
	ctx := genericapiserver.SetupSignalContext()
	gauges := newGauges(client)
	go gauges.follow(ctx)
	adapter.WithCustomMetrics(gauges)
	if err := adapter.Run(ctx); err != nil {
		klog.Fatal(err)
	}
}
