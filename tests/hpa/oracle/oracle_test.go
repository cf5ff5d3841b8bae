// Answers what the real controller of HorizontalPodAutoscalers decides, look by look, for cases on standard input.
//
// It calls the controller's own reconcileKey, in a bubble of package synctest, in which time passes as the cases say.
package oracle

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"
	_ "unsafe" // for go:linkname

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	scalefake "k8s.io/client-go/scale/fake"
	core "k8s.io/client-go/testing"
	defaults "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
)

//go:linkname reconcileKey k8s.io/kubernetes/pkg/controller/podautoscaler.(*HorizontalController).reconcileKey
func reconcileKey(a *podautoscaler.HorizontalController, ctx context.Context, key string) (bool, error)

//go:linkname enqueueHPA k8s.io/kubernetes/pkg/controller/podautoscaler.(*HorizontalController).enqueueHPA
func enqueueHPA(a *podautoscaler.HorizontalController, obj interface{})

//go:linkname deleteHPA k8s.io/kubernetes/pkg/controller/podautoscaler.(*HorizontalController).deleteHPA
func deleteHPA(a *podautoscaler.HorizontalController, obj interface{})

type podSeen struct {
	Name        string
	Phase       v1.PodPhase
	Deleting    bool
	Ready       *v1.ConditionStatus
	ReadySince  float64
	Started     *float64
	Requests    map[string]map[v1.ResourceName]int64
	PodRequests map[v1.ResourceName]int64
}

type sample struct {
	Value  int64
	T      float64
	Window float64
}

type reading struct {
	Samples map[string]sample
	Values  []int64
	Problem string
}

type seen struct {
	T              float64
	Replicas       *int32
	StatusReplicas int32
	Pods           []podSeen
	Readings       []reading
}

type scenario struct {
	Spec  autoscaling.HorizontalPodAutoscalerSpec
	Looks []seen
}

type metricSeen struct {
	Value *int64 `json:"value"`
}

type decided struct {
	Replicas int32        `json:"replicas"`
	Active   string       `json:"active"`
	Able     string       `json:"able"`
	Limited  string       `json:"limited"`
	Metrics  []metricSeen `json:"metrics"`
}

// Answers each question of the controller with the next reading of the look.
type source struct {
	begin    time.Time
	readings []reading
}

func (s *source) next() (reading, error) {
	one := s.readings[0]
	s.readings = s.readings[1:]
	if one.Problem != "" {
		return one, errors.New(one.Problem)
	}
	return one, nil
}

func (s *source) ofPods() (metrics.PodMetricsInfo, time.Time, error) {
	one, err := s.next()
	if err == nil && len(one.Samples) == 0 {
		err = errors.New("no metrics returned")
	}
	info := metrics.PodMetricsInfo{}
	for name, it := range one.Samples {
		info[name] = metrics.PodMetric{Value: it.Value, Timestamp: s.begin.Add(seconds(it.T)), Window: seconds(it.Window)}
	}
	return info, time.Now(), err
}

func (s *source) GetResourceMetric(context.Context, v1.ResourceName, string, labels.Selector, string) (metrics.PodMetricsInfo, time.Time, error) {
	return s.ofPods()
}

func (s *source) GetRawMetric(string, string, labels.Selector, labels.Selector) (metrics.PodMetricsInfo, time.Time, error) {
	return s.ofPods()
}

func (s *source) GetObjectMetric(string, string, *autoscaling.CrossVersionObjectReference, labels.Selector) (int64, time.Time, error) {
	one, err := s.next()
	if err != nil {
		return 0, time.Time{}, err
	}
	return one.Values[0], time.Now(), nil
}

func (s *source) GetExternalMetric(string, string, labels.Selector) ([]int64, time.Time, error) {
	one, err := s.next()
	return one.Values, time.Now(), err
}

func seconds(value float64) time.Duration { return time.Duration(value * float64(time.Second)) }

func amounts(of map[v1.ResourceName]int64) v1.ResourceList {
	list := v1.ResourceList{}
	for name, value := range of {
		list[name] = *resource.NewMilliQuantity(value, resource.DecimalSI)
	}
	return list
}

func (p podSeen) object(namespace string, begin time.Time) *v1.Pod {
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: namespace, Labels: map[string]string{"app": "it"}},
		Status:     v1.PodStatus{Phase: p.Phase},
	}
	if p.Deleting {
		now := metav1.Now()
		pod.DeletionTimestamp = &now
	}
	if p.Started != nil {
		started := metav1.NewTime(begin.Add(seconds(*p.Started)))
		pod.Status.StartTime = &started
	}
	if p.Ready != nil {
		pod.Status.Conditions = []v1.PodCondition{{
			Type: v1.PodReady, Status: *p.Ready, LastTransitionTime: metav1.NewTime(begin.Add(seconds(p.ReadySince))),
		}}
	}
	for name, requests := range p.Requests {
		pod.Spec.Containers = append(pod.Spec.Containers, v1.Container{
			Name: name, Resources: v1.ResourceRequirements{Requests: amounts(requests)},
		})
	}
	if len(p.PodRequests) > 0 {
		pod.Spec.Resources = &v1.ResourceRequirements{Requests: amounts(p.PodRequests)}
	}
	return pod
}

func condition(hpa *autoscaling.HorizontalPodAutoscaler, kind autoscaling.HorizontalPodAutoscalerConditionType) string {
	for _, one := range hpa.Status.Conditions {
		if one.Type == kind {
			return fmt.Sprintf("%s %s", one.Status, one.Reason)
		}
	}
	return ""
}

func value(status autoscaling.MetricStatus, spec autoscaling.MetricSpec) metricSeen {
	var current autoscaling.MetricValueStatus
	switch {
	case status.Resource != nil:
		current = status.Resource.Current
	case status.ContainerResource != nil:
		current = status.ContainerResource.Current
	case status.Pods != nil:
		current = status.Pods.Current
	case status.Object != nil:
		current = status.Object.Current
	case status.External != nil:
		current = status.External.Current
	default:
		return metricSeen{}
	}
	var number int64
	switch {
	case current.AverageUtilization != nil:
		number = int64(*current.AverageUtilization)
	case current.AverageValue != nil:
		number = current.AverageValue.MilliValue()
	case current.Value != nil:
		number = current.Value.MilliValue()
	default:
		return metricSeen{}
	}
	return metricSeen{&number}
}

func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		client := fake.NewSimpleClientset()
		client.PrependReactor("*", "events", func(action core.Action) (bool, runtime.Object, error) {
			return true, &v1.Event{}, nil
		})
		var hpa *autoscaling.HorizontalPodAutoscaler
		client.PrependReactor("update", "horizontalpodautoscalers", func(action core.Action) (bool, runtime.Object, error) {
			hpa = action.(core.UpdateAction).GetObject().(*autoscaling.HorizontalPodAutoscaler).DeepCopy()
			return true, hpa, nil
		})
		var replicas, statusReplicas int32
		scales := &scalefake.FakeScaleClient{}
		scales.AddReactor("get", "deployments", func(action core.Action) (bool, runtime.Object, error) {
			return true, &autoscalingv1.Scale{
				ObjectMeta: metav1.ObjectMeta{Name: "it", Namespace: action.GetNamespace()},
				Spec:       autoscalingv1.ScaleSpec{Replicas: replicas},
				Status:     autoscalingv1.ScaleStatus{Replicas: statusReplicas, Selector: "app=it"},
			}, nil
		})
		scales.AddReactor("update", "deployments", func(action core.Action) (bool, runtime.Object, error) {
			scale := action.(core.UpdateAction).GetObject().(*autoscalingv1.Scale)
			replicas = scale.Spec.Replicas
			return true, scale, nil
		})
		apps := schema.GroupVersion{Group: "apps", Version: "v1"}
		mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{apps})
		mapper.Add(apps.WithKind("Deployment"), meta.RESTScopeNamespace)
		factory := informers.NewSharedInformerFactory(client, 0)
		hpas, pods := factory.Autoscaling().V2().HorizontalPodAutoscalers(), factory.Core().V1().Pods()
		measured := &source{}
		controller := podautoscaler.NewHorizontalController(
			ctx, client.CoreV1(), scales, client.AutoscalingV2(), mapper, measured, hpas, pods,
			15*time.Second, 5*time.Minute, 0.1, 5*time.Minute, 30*time.Second,
		)
		input := bufio.NewReaderSize(os.Stdin, 1<<20)
		decoder, output := json.NewDecoder(input), bufio.NewWriter(os.Stdout)
		for number := 0; decoder.More(); number++ {
			var given scenario
			if err := decoder.Decode(&given); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			begin, namespace := time.Now(), fmt.Sprintf("n%d", number)
			measured.begin = begin
			hpa = &autoscaling.HorizontalPodAutoscaler{
				ObjectMeta: metav1.ObjectMeta{Name: "it", Namespace: namespace}, Spec: given.Spec,
			}
			hpa.Spec.ScaleTargetRef = autoscaling.CrossVersionObjectReference{Kind: "Deployment", Name: "it", APIVersion: "apps/v1"}
			defaults.SetDefaults_HorizontalPodAutoscaler(hpa)
			enqueueHPA(controller, hpa)
			answers := []decided{}
			for _, look := range given.Looks {
				time.Sleep(time.Until(begin.Add(seconds(look.T))))
				if look.Replicas != nil {
					replicas = *look.Replicas
				}
				statusReplicas = look.StatusReplicas
				measured.readings = look.Readings
				present := []interface{}{}
				for _, pod := range look.Pods {
					present = append(present, pod.object(namespace, begin))
				}
				_ = pods.Informer().GetIndexer().Replace(present, "")
				_ = hpas.Informer().GetIndexer().Replace([]interface{}{hpa}, "")
				_, _ = reconcileKey(controller, ctx, namespace+"/it")
				answer := decided{
					Replicas: replicas,
					Active:   condition(hpa, autoscaling.ScalingActive),
					Able:     condition(hpa, autoscaling.AbleToScale),
					Limited:  condition(hpa, autoscaling.ScalingLimited),
					Metrics:  []metricSeen{},
				}
				for i, status := range hpa.Status.CurrentMetrics {
					answer.Metrics = append(answer.Metrics, value(status, hpa.Spec.Metrics[i]))
				}
				answers = append(answers, answer)
			}
			deleteHPA(controller, hpa)
			_ = hpas.Informer().GetIndexer().Replace(nil, "")
			_, _ = reconcileKey(controller, ctx, namespace+"/it")
			line, _ := json.Marshal(answers)
			_, _ = output.Write(append(line, '\n'))
		}
		_ = output.Flush()
		os.Exit(0)
	})
}
