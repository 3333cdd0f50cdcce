from langchain.chains import LLMChain
from langchain.memory import ConversationBufferWindowMemory
from langchain_core.prompts import PromptTemplate
from langchain_openai import OpenAI

prompt = PromptTemplate.from_template(
    "You are {persona}.\n\n{history}\nCustomer: {message}\nShop:"
)
memory = ConversationBufferWindowMemory(
    k=1, input_key="message", human_prefix="Customer", ai_prefix="Shop"
)
chain = LLMChain(llm=OpenAI(), prompt=prompt, memory=memory)

for message in ["I am Ada.", "Do you repair brakes?", "What is my name?"]:
    print(chain.predict(persona="the assistant of a bicycle shop", message=message))
