// How a change of what is served is made: read the disk (repository_read.cc), claim what is
// concerned, decide what follows from what, then load in order of dependence.

#include <algorithm>

#include "repository/change.h"

namespace trident {
namespace {

DependencyGraph::Nodes With(
    DependencyGraph::Nodes nodes,
    const std::map<ModelIdentity, std::shared_ptr<const ModelPlan>>& plans) {
  for (const auto& [model, plan] : plans) nodes[model] = StepsOf(*plan);
  return nodes;
}

// Ensembles that are in both, and whose steps are other models in one than in the other.
ModelSet Rewired(const DependencyGraph::Nodes& nodes, const DependencyGraph& before,
                 const DependencyGraph& after) {
  ModelSet out;
  for (const auto& [model, steps] : nodes) {
    if (!steps.empty() && before.Has(model) && before.StepsOf(model) != after.StepsOf(model)) {
      out.insert(model);
    }
  }
  return out;
}

// Gives a plan that has been loaded before, which only ensembles are twice, agents for this load.
Status AskAgentsAgain(std::shared_ptr<const ModelPlan>* plan) {
  if ((*plan)->agents == nullptr) return Status::Ok();
  auto next = std::make_shared<ModelPlan>(**plan);
  TRIDENT_ASSIGN_OR_RETURN(next->agents, (*plan)->agents->LoadAgain());
  next->directory = next->agents->directory();
  *plan = std::move(next);
  return Status::Ok();
}

}  // namespace

Status ModelRepository::Run(Change* change) {
  ModelClaim claim(&claims_);
  ModelSet concerned = change->unloads;
  Add(KeysOf(change->loads), &concerned);
  do {
    if (!claim.Replace(concerned)) return CheckNotStopped("it changes no models any more");
    Read(change);
    concerned = Related(*change);
  } while (!claim.Covers(concerned));
  Apply(change);
  TellEvents();
  return Status::Ok();
}

ModelSet ModelRepository::Related(const Change& change) const {
  DependencyGraph::Nodes nodes;
  {
    MutexLock lock(mutex_);
    nodes = table_.Nodes();
  }
  const DependencyGraph before(nodes);
  nodes = With(std::move(nodes), change.plans);
  const DependencyGraph after(nodes);
  ModelSet changed = change.unloads;
  Add(KeysOf(change.plans), &changed);
  Add(Rewired(nodes, before, after), &changed);
  if (change.with_dependents) Add(before.UnloadWith(change.unloads, {}), &changed);
  ModelSet related = changed;
  for (const DependencyGraph* graph : {&before, &after}) Add(graph->Dependents(changed), &related);
  // Steps that are to stay as they are while this change relies on them.
  for (const ModelIdentity& model : KeysOf(change.plans)) Add(after.StepsOf(model), &related);
  Add(KeysOf(change.loads), &related);
  Add(KeysOf(change.failures), &related);
  Add(KeysOf(change.unchanged), &related);
  return related;
}

// Applying ----------------------------------------------------------------------------------------

void ModelRepository::Apply(Change* change) {
  DependencyGraph::Nodes nodes;
  {
    MutexLock lock(mutex_);
    nodes = table_.Nodes();
  }
  const DependencyGraph before(nodes);
  WithdrawUnloaded(change, before);
  for (const ModelIdentity& model : change->touched) nodes.erase(model);
  nodes = With(std::move(nodes), change->plans);
  const DependencyGraph graph(nodes);

  change->rewired = Rewired(nodes, before, graph);
  ModelSet affected = KeysOf(change->plans);
  Add(change->rewired, &affected);
  Add(graph.Dependents(affected), &affected);
  {
    MutexLock lock(mutex_);
    change->progress.total = static_cast<uint32_t>(affected.size() + change->failures.size());
    for (const auto& [model, why] : change->failures) NoteFailure(change, model, why);
    for (const auto& [model, why] : change->refused) change->outcomes[model] = why;
    for (const auto& [model, files] : change->unchanged) {
      change->outcomes[model] = Status::Ok();
      table_.SetTried(model, files);
    }
    for (const auto& [model, parameters] : change->loads) {
      const bool there = change->Loads(model) || change->unchanged.count(model) > 0;
      if (there) table_.SetAskedFor(model);
    }
  }
  for (const ModelSet& group : graph.LoadOrder(affected)) LoadGroup(change, graph, group);
}

void ModelRepository::WithdrawUnloaded(Change* change, const DependencyGraph& before) {
  std::vector<std::pair<ModelIdentity, std::vector<RetiredModel>>> gone;
  {
    MutexLock lock(mutex_);
    change->touched = change->with_dependents
                          ? before.UnloadWith(change->unloads, table_.AskedFor())
                          : change->unloads;
    for (const ModelIdentity& model : change->touched) {
      gone.emplace_back(model, table_.Withdraw(model, "", /*forget=*/true));
    }
  }
  TellEvents();
  for (auto& [model, retired] : gone) Retire(model, std::move(retired));
}

void ModelRepository::NoteFailure(Change* change, const ModelIdentity& model, const Status& why) {
  ++change->progress.completed;
  change->outcomes[model] = why;
  // A name that is no model leaves no trace.
  const auto asked = change->loads.find(model);
  const bool overridden = asked != change->loads.end() && !asked->second.empty();
  if (!overridden && change->missing.count(model) > 0) return;
  table_.FailLoad(model, nullptr, why, {}, change->progress);
  const auto seen = change->quiet_files.find(model);
  if (seen != change->quiet_files.end()) table_.SetTried(model, seen->second);
  TRIDENT_LOG(*logger_, LogLevel::kError, "failed to load '", model.Text(), "': ", why.message());
}

// `model` with the models of its steps written down.
std::shared_ptr<const ModelPlan> ModelRepository::PlanFor(const Change& change,
                                                          const DependencyGraph& graph,
                                                          const ModelIdentity& model) const {
  std::shared_ptr<const ModelPlan> plan;
  const auto found = change.plans.find(model);
  if (found != change.plans.end()) {
    plan = found->second;
  } else {
    MutexLock lock(mutex_);
    plan = table_.Get(model)->plan;
  }
  if (!plan->ensemble()) return plan;
  auto resolved = std::make_shared<ModelPlan>(*plan);
  for (EnsembleStep& step : resolved->config.ensemble_scheduling->step) {
    const ModelIdentity* const meant = graph.Resolve(model, step.model_name);
    if (meant != nullptr) step.model_namespace = meant->space;
  }
  return resolved;
}

void ModelRepository::LoadGroup(Change* change, const DependencyGraph& graph,
                                const ModelSet& group) {
  std::map<ModelIdentity, ServedModel> served;
  {
    MutexLock lock(mutex_);
    served = table_.Served();
  }
  std::vector<std::unique_ptr<Job>> jobs;
  std::vector<std::pair<Job*, size_t>> pieces;
  for (const ModelIdentity& model : group) {
    const ModelSet& steps = graph.StepsOf(model);
    const bool concerned = change->Loads(model) || change->rewired.count(model) > 0 ||
                           std::any_of(steps.begin(), steps.end(), [&](const ModelIdentity& step) {
                             return change->touched.count(step) > 0;
                           });
    if (!concerned) {  // its steps have failed to change
      ++change->progress.completed;
      continue;
    }
    std::shared_ptr<const ModelPlan> plan = PlanFor(*change, graph, model);
    Status ready = graph.CheckSteps(model, served);
    if (ready.ok() && !change->Loads(model)) ready = AskAgentsAgain(&plan);
    if (!ready.ok()) {
      Refuse(change, plan, ready);
      continue;
    }
    MutexLock lock(mutex_);
    jobs.push_back(std::make_unique<Job>(change, plan, table_.VersionsOf(*plan)));
    table_.BeginLoad(*plan, change->progress);
    for (size_t i = 0; i < plan->versions.size(); ++i) pieces.emplace_back(jobs.back().get(), i);
  }
  TellEvents();
  loader_.threads().Run(pieces.size(),
                        [&](size_t i) { LoadVersion(pieces[i].first, pieces[i].second); });
}

// An ensemble whose steps are not in service can't be, either, unless it is only its new self that
// asks for them.
void ModelRepository::Refuse(Change* change, const std::shared_ptr<const ModelPlan>& plan,
                             const Status& why) {
  const ModelIdentity& model = plan->model;
  TRIDENT_LOG(*logger_, LogLevel::kError, "failed to load '", model.Text(), "': ", why.message());
  std::vector<RetiredModel> retired;
  {
    MutexLock lock(mutex_);
    ++change->progress.completed;
    change->outcomes[model] =
        InvalidArg("load failed for model '", model.Text(), "': ", why.message());
    const ModelTable::Entry* const entry = table_.Get(model);
    const bool served = entry != nullptr && entry->ready();
    const bool stays = served && StepsServe(*change, *entry->plan);
    if (served && !stays) {
      const bool follows = change->by_request && !change->Loads(model);
      retired = table_.Withdraw(model, follows ? "" : why.message(), /*forget=*/false);
      table_.SetPlan(model, plan, why);
      change->touched.insert(model);
    } else if (served || change->Loads(model)) {
      table_.FailLoad(model, plan, why, {}, change->progress);
    }
  }
  // Of a model that this change does not load, the plan is that of a former load, as are its
  // agents.
  if (change->Loads(model) && plan->agents != nullptr) plan->agents->Fail();
  TellEvents();
  Retire(model, std::move(retired));
}

// An ensemble served from `plan` can go on: its steps are in service as before this change.
bool ModelRepository::StepsServe(const Change& change, const ModelPlan& plan) const {
  const std::vector<EnsembleStep> steps = StepsOf(plan);
  return std::all_of(steps.begin(), steps.end(), [&](const EnsembleStep& step) {
    const ModelIdentity model{step.model_namespace, step.model_name};
    return change.touched.count(model) == 0 && table_.Find(model, step.model_version).ok();
  });
}

void ModelRepository::LoadVersion(Job* job, size_t index) {
  LoadedVersion& version = job->versions[index];
  version.status = CheckNotStopped("the load is cancelled");
  if (version.status.ok() && version.kept) {
    std::function<void()> finish;
    version.status = version.model->UpdateInstances(job->plan->config, &finish);
    version.updated = version.status.ok();
    if (finish) drains_.Start(std::move(finish));
  } else if (version.status.ok()) {
    Result<std::shared_ptr<Model>> model = loader_.Load(
        *job->plan, version.version,
        [this](const ModelIdentity& step, int64_t number) { return Find(step, number); },
        [this] { return stopped_.load(); });
    version.status = model.status();
    if (model.ok()) version.model = std::move(model).value();
  }
  if (job->left.fetch_sub(1) == 1) Finish(job);
}

// How the load of all versions has ended.
Status ModelRepository::Outcome(const Job& job) const {
  const ModelPlan& plan = *job.plan;
  std::string reasons;
  StatusCode code = StatusCode::kInternal;
  for (const LoadedVersion& version : job.versions) {
    if (version.status.ok()) continue;
    if (reasons.empty()) code = version.status.code();
    reasons += StrCat("version ", version.version,
                      " is at UNAVAILABLE state: ", version.status.message(), ";");
  }
  if (reasons.empty() && options_.settle_ns.has_value() && job.change->Loads(plan.model) &&
      plan.in_repository() && !FilesAsPlanned(plan)) {
    code = StatusCode::kUnavailable;
    reasons = "its files changed while it was loaded; the next poll tries again";
  }
  return reasons.empty()
             ? Status::Ok()
             : Error(code, "load failed for model '", plan.model.Text(), "': ", reasons);
}

void ModelRepository::Finish(Job* job) {
  Change* const change = job->change;
  const ModelIdentity& model = job->plan->model;
  Status outcome = Outcome(*job);
  // Before it serves: from then on another thread may unload it.
  ModelAgents* const agents = job->plan->agents.get();
  if (agents != nullptr && outcome.ok()) agents->Complete();
  std::vector<RetiredModel> retired;
  {
    MutexLock lock(mutex_);
    if (outcome.ok()) outcome = CheckNotStopped("the load is cancelled");
    change->outcomes[model] = outcome;
    ++change->progress.completed;
    const bool kept = std::all_of(job->versions.begin(), job->versions.end(),
                                  [](const LoadedVersion& version) { return version.kept; });
    if (outcome.ok()) {
      retired = table_.Publish(job->plan, job->versions, change->progress);
      if (!kept || !retired.empty()) change->touched.insert(model);
    } else {
      const std::shared_ptr<const ModelPlan> former = table_.Get(model)->plan;
      table_.FailLoad(model, job->plan, outcome, job->versions, change->progress);
      if (former != nullptr && !StepsServe(*change, *former)) {
        retired = table_.Withdraw(model, outcome.message(), /*forget=*/false);
        change->touched.insert(model);
      }
    }
  }
  if (!outcome.ok()) UndoUpdates(*job);
  TRIDENT_LOG(*logger_, LogLevel::kInfo,
              outcome.ok() ? "successfully loaded '" : "failed to load '", model.Text(), "'");
  for (LoadedVersion& version : job->versions) {
    if (outcome.ok()) served_.Add(version.model);
    // Never in service, so without requests.
    if (!outcome.ok() && !version.kept && version.model != nullptr) version.model->Drain();
    version.model.reset();
  }
  if (agents != nullptr && !outcome.ok()) agents->Fail();
  TellEvents();
  Retire(model, std::move(retired));
}

}  // namespace trident
