package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/klog/v2"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
)

const (
	// Google does not say how often it reads the pods, and how long what it read counts.
	readEvery = 5 * time.Second
	countsFor = 30 * time.Second
)

var (
	pods    = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	wanted  = schema.GroupVersionResource{Group: "autoscaling.gke.io", Version: "v1beta1", Resource: "autoscalingmetrics"}
	ofPods  = schema.GroupResource{Resource: "pods"}
	running = metav1.ListOptions{FieldSelector: "status.phase=Running"}
)

// What of an AutoscalingMetric is read: the gauges of pods. Queries of Managed Prometheus are not, which is not here.
type autoscalingMetric struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Metrics []struct {
			Pod *podMetrics `json:"pod"`
		} `json:"metrics"`
	} `json:"spec"`
}

type podMetrics struct {
	Selector   metav1.LabelSelector `json:"selector"`
	Containers []container          `json:"containers"`
}

type container struct {
	Endpoint endpoint `json:"endpoint"`
	Metrics  []struct {
		Gauge *gauge `json:"gauge"`
	} `json:"metrics"`
}

type gauge struct {
	Name                 string `json:"name"`
	PrometheusMetricName string `json:"prometheusMetricName"`
}

// key is a metric of a pod.
type key struct{ namespace, pod, metric string }

type value struct {
	amount float64
	at     time.Time
}

// gauges is what was read last, and is asked for it.
type gauges struct {
	client dynamic.Interface
	mutex  sync.RWMutex
	values map[key]value
}

func newGauges(client dynamic.Interface) *gauges {
	return &gauges{client: client, values: map[key]value{}}
}

func (g *gauges) follow(ctx context.Context) {
	for {
		if err := g.read(ctx); err != nil {
			klog.Error(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(readEvery):
		}
	}
}

// read reads every pod that is named, each for itself: one that does not answer is in no other's way.
func (g *gauges) read(ctx context.Context) error {
	found, err := g.client.Resource(wanted).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	var waiting sync.WaitGroup
	for _, object := range found.Items {
		var metric autoscalingMetric
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &metric); err != nil {
			klog.Errorf("AutoscalingMetric %s/%s: %v", object.GetNamespace(), object.GetName(), err)
			continue
		}
		for _, one := range metric.Spec.Metrics {
			if one.Pod == nil {
				continue
			}
			chosen, err := g.chosen(ctx, metric.Namespace, metav1.FormatLabelSelector(&one.Pod.Selector))
			if err != nil {
				return err
			}
			for _, pod := range chosen {
				for _, container := range one.Pod.Containers {
					waiting.Go(func() { g.ask(ctx, metric.Name, pod, container) })
				}
			}
		}
	}
	waiting.Wait()
	g.forget()
	return nil
}

// chosen are the namespace's running pods of a selector.
func (g *gauges) chosen(ctx context.Context, namespace, selector string) ([]unstructured.Unstructured, error) {
	options := running
	options.LabelSelector = selector
	found, err := g.client.Resource(pods).Namespace(namespace).List(ctx, options)
	if err != nil {
		return nil, err
	}
	return found.Items, nil
}

func (g *gauges) ask(ctx context.Context, name string, pod unstructured.Unstructured, from container) {
	address, _, _ := unstructured.NestedString(pod.Object, "status", "podIP")
	families, err := from.Endpoint.read(ctx, address)
	if err != nil {
		klog.Warningf("pod %s/%s: %v", pod.GetNamespace(), pod.GetName(), err)
		return
	}
	for _, metric := range from.Metrics {
		if metric.Gauge == nil {
			continue
		}
		amount, err := metric.Gauge.of(families)
		if err != nil {
			klog.Warningf("pod %s/%s: %v", pod.GetNamespace(), pod.GetName(), err)
			continue
		}
		at := key{pod.GetNamespace(), pod.GetName(), fmt.Sprintf("autoscaling.gke.io|%s|%s", name, metric.Gauge.Name)}
		g.mutex.Lock()
		g.values[at] = value{amount, time.Now()}
		g.mutex.Unlock()
	}
}

// forget lets go of what is too old.
func (g *gauges) forget() {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	for at, found := range g.values {
		if time.Since(found.at) > countsFor {
			delete(g.values, at)
		}
	}
}

func (g *gauges) GetMetricByName(_ context.Context, name types.NamespacedName, info provider.CustomMetricInfo, _ labels.Selector) (*custom_metrics.MetricValue, error) {
	if found := g.of(key{name.Namespace, name.Name, info.Metric}); found != nil && info.GroupResource == ofPods {
		return found, nil
	}
	return nil, provider.NewMetricNotFoundForError(info.GroupResource, info.Metric, name.Name)
}

func (g *gauges) GetMetricBySelector(ctx context.Context, namespace string, selector labels.Selector, info provider.CustomMetricInfo, _ labels.Selector) (*custom_metrics.MetricValueList, error) {
	if info.GroupResource != ofPods {
		return nil, provider.NewMetricNotFoundError(info.GroupResource, info.Metric)
	}
	chosen, err := g.chosen(ctx, namespace, selector.String())
	if err != nil {
		return nil, err
	}
	list := &custom_metrics.MetricValueList{}
	for _, pod := range chosen {
		if found := g.of(key{namespace, pod.GetName(), info.Metric}); found != nil {
			list.Items = append(list.Items, *found)
		}
	}
	if len(list.Items) == 0 {
		return nil, provider.NewMetricNotFoundError(info.GroupResource, info.Metric)
	}
	return list, nil
}

func (g *gauges) ListAllMetrics() []provider.CustomMetricInfo {
	g.mutex.RLock()
	defer g.mutex.RUnlock()
	seen := map[string]bool{}
	list := []provider.CustomMetricInfo{}
	for at := range g.values {
		if !seen[at.metric] {
			seen[at.metric] = true
			list = append(list, provider.CustomMetricInfo{GroupResource: ofPods, Namespaced: true, Metric: at.metric})
		}
	}
	return list
}

func (g *gauges) of(at key) *custom_metrics.MetricValue {
	g.mutex.RLock()
	defer g.mutex.RUnlock()
	found, ok := g.values[at]
	if !ok || time.Since(found.at) > countsFor {
		return nil
	}
	return &custom_metrics.MetricValue{
		DescribedObject: custom_metrics.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: at.namespace, Name: at.pod},
		Metric:          custom_metrics.MetricIdentifier{Name: at.metric},
		Timestamp:       metav1.NewTime(found.at),
		Value:           *resource.NewMilliQuantity(int64(found.amount*1000), resource.DecimalSI),
	}
}
